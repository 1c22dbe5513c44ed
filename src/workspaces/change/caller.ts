import { framesOf } from "../../guest/frames.ts";
import { decodeChanges } from "../../guest/tree/decode.ts";
import type { GuestChange } from "../../guest/tree/messages.ts";
import { requireRunning, type WorkspaceCall } from "../control/access.ts";
import { SupervisorCall } from "../control/client.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { changeVerbs } from "./verbs.ts";

export interface TreeChanges {
  /** The workspace that they are of */
  readonly record: WorkspaceRecord;
  readonly changes: AsyncIterable<GuestChange>;
  /** How many paths the guest could not compare, once all changes have come */
  readonly skippedCount: number;
}

/** Reads the changes since the start. Files above `contentLimit` bytes come without content. */
export async function treeChanges(wanted: WorkspaceCall, contentLimit: number): Promise<TreeChanges> {
  const { connection, record } = await requireRunning(wanted);
  const { signal } = wanted;
  const made = new SupervisorCall(connection, changeVerbs.treeChanges, { contentLimit }, { signal });
  let skippedCount = 0;
  const changes = decodeChanges(framesOf(made), contentLimit, (end) => {
    skippedCount = end.skippedCount;
  });
  return {
    record,
    changes,
    get skippedCount() {
      return skippedCount;
    },
  };
}
