import * as z from "zod";
import { defineVerbs, nothing } from "../control/protocol.ts";
import { snapshotRecordSchema, workspaceRecordSchema } from "../record/record.ts";

const input = z.object({ snapshotName: z.string() });

export const checkpointVerbs = defineVerbs({
  createSnapshot: { changes: true, endsWithCaller: false, input, output: snapshotRecordSchema },
  deleteSnapshot: { changes: true, endsWithCaller: false, input, output: nothing },
  reset: { changes: true, endsWithCaller: false, input, output: workspaceRecordSchema },
});
