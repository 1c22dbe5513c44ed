import { PyroError } from "../../core/errors.ts";
import { hint, named, toRun } from "../../core/hint.ts";
import type { Checkpoint } from "../life/machine.ts";
import { baselineName, type SnapshotRecord, type WorkspaceRecord } from "../record/record.ts";

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Each snapshot is a layer that stays, and QEMU keeps all layers of a disk open */
const maxSnapshots = 32;
const maxLayers = 64;

/** Refuses a name that a new snapshot of this workspace cannot have. */
export function requireNewSnapshot(record: WorkspaceRecord, snapshotName: string): void {
  const cannot = `cannot create snapshot '${snapshotName}'`;
  if (!nameForm.test(snapshotName)) {
    throw new PyroError(
      "invalid_argument",
      `${cannot}: a name has 1 to 64 letters, digits, dots, dashes or underscores`,
    );
  }
  if (snapshotName === baselineName || findSnapshot(record, snapshotName)) {
    throw new PyroError("already_exists", `${cannot}: workspace '${record.workspaceId}' has one of that name`, {
      hint: "Choose another name, or delete that snapshot first.",
    });
  }
  if (record.snapshots.length >= maxSnapshots) {
    throw new PyroError(
      "resource_exhausted",
      `${cannot}: workspace '${record.workspaceId}' has ${maxSnapshots} already`,
      {
        hint: hint`Delete one with ${named("workspace.snapshot.delete")}.`,
      },
    );
  }
  requireRoomForLayer(record, cannot);
}

/** Refuses one more layer of a disk that has as many as it can. `cannot` begins the message. */
export function requireRoomForLayer({ layers, workspaceId }: WorkspaceRecord, cannot: string): void {
  if (layers.length < maxLayers) return;
  throw new PyroError("resource_exhausted", `${cannot}: the disk of workspace '${workspaceId}' has too many layers`, {
    hint: "Stop and start it: that merges the layers of deleted snapshots.",
  });
}

/** The record without a snapshot. Its layers are removed once no disk needs them. */
export function withoutSnapshot(record: WorkspaceRecord, snapshotName: string): Pick<WorkspaceRecord, "snapshots"> {
  if (snapshotName === baselineName) {
    throw new PyroError("failed_precondition", `cannot delete snapshot '${baselineName}': every workspace has it`);
  }
  requireSnapshot(record, snapshotName);
  return { snapshots: record.snapshots.filter((snapshot) => snapshot.snapshotName !== snapshotName) };
}

/** The state of the disk that a name stands for. */
export function checkpointOf(record: WorkspaceRecord, snapshotName: string): Checkpoint {
  if (snapshotName !== baselineName) return { layers: requireSnapshot(record, snapshotName).layers, hasChanges: false };
  return { layers: record.baseline?.layers ?? [], hasChanges: record.baseline !== null };
}

function requireSnapshot(record: WorkspaceRecord, snapshotName: string): SnapshotRecord {
  const snapshot = findSnapshot(record, snapshotName);
  if (snapshot) return snapshot;
  throw new PyroError("not_found", `workspace '${record.workspaceId}' has no snapshot '${snapshotName}'`, {
    hint: hint`${toRun("workspace.snapshot.list", { workspaceId: record.workspaceId })}.`,
  });
}

function findSnapshot({ snapshots }: WorkspaceRecord, snapshotName: string): SnapshotRecord | undefined {
  return snapshots.find((snapshot) => snapshot.snapshotName === snapshotName);
}
