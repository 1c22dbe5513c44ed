import { askWorkspace, requireRunning, type WorkspaceCall } from "../control/access.ts";
import { call } from "../control/client.ts";
import { launchIdle } from "../life/launch-idle.ts";
import type { SnapshotRecord, WorkspaceRecord } from "../record/record.ts";
import { saveWorkspace } from "../record/store.ts";
import { sweepLayers } from "./layers.ts";
import { checkpointOf, withoutSnapshot } from "./rules.ts";
import { checkpointVerbs } from "./verbs.ts";

/** Keeps a running workspace's files as they are now. The workspace continues to work. */
export async function createSnapshot(wanted: WorkspaceCall, snapshotName: string): Promise<SnapshotRecord> {
  const { connection } = await requireRunning(wanted);
  return call(connection, checkpointVerbs.createSnapshot, { snapshotName }, { signal: wanted.signal });
}

export async function deleteSnapshot(wanted: WorkspaceCall, snapshotName: string): Promise<void> {
  const { signal } = wanted;
  await askWorkspace(wanted, {
    running: ({ connection }) => call(connection, checkpointVerbs.deleteSnapshot, { snapshotName }, { signal }),
    async idle({ record }, place) {
      const changed = { ...record, ...withoutSnapshot(record, snapshotName) };
      await saveWorkspace(place, changed);
      await sweepLayers(place, changed).catch(() => {
        // The next start removes what is left.
      });
      return {};
    },
  });
}

/** Starts a new machine from a checkpoint, even if the old machine has ended. */
export async function resetWorkspace(wanted: WorkspaceCall, snapshotName: string): Promise<WorkspaceRecord> {
  const { signal } = wanted;
  return askWorkspace(wanted, {
    running: ({ connection }) => call(connection, checkpointVerbs.reset, { snapshotName }, { signal }),
    async idle(access, place) {
      checkpointOf(access.record, snapshotName);
      return launchIdle(wanted, place, access, { mode: "reset", snapshotName });
    },
  });
}
