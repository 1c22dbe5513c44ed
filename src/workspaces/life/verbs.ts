import { defineVerbs, nothing } from "../control/protocol.ts";
import { workspaceRecordSchema } from "../record/record.ts";
import { workspaceUpdateSchema } from "../record/update.ts";

export const lifeVerbs = defineVerbs({
  /** Answers at once while the machine runs */
  start: { changes: false, endsWithCaller: true, input: nothing, output: workspaceRecordSchema },
  update: { changes: true, endsWithCaller: false, input: workspaceUpdateSchema, output: workspaceRecordSchema },
  stop: { changes: true, endsWithCaller: false, input: nothing, output: workspaceRecordSchema },
  delete: { changes: true, endsWithCaller: false, input: nothing, output: nothing },
});
