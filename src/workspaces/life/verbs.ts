import { defineVerbs, nothing } from "../control/protocol.ts";
import { metadataUpdateSchema } from "../record/metadata.ts";
import { workspaceRecordSchema } from "../record/record.ts";

export const lifeVerbs = defineVerbs({
  update: { changes: true, endsWithCaller: false, input: metadataUpdateSchema, output: workspaceRecordSchema },
  stop: { changes: true, endsWithCaller: false, input: nothing, output: workspaceRecordSchema },
  delete: { changes: true, endsWithCaller: false, input: nothing, output: nothing },
});
