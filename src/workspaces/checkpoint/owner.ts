import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { framesOf } from "../../guest/frames.ts";
import { decodeChanges } from "../../guest/tree/decode.ts";
import { requirePower } from "../../vm/features.ts";
import type { NewMachine, OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import type { Session } from "../control/session.ts";
import { copyLayer, forkWorkspaceMachine } from "../life/machine.ts";
import type { SnapshotRecord, WorkspaceRecord } from "../record/record.ts";
import { syncLayers } from "../record/store.ts";
import { emptyLayerName, sweepUnused } from "./layers.ts";
import { checkpointOf, requireNewSnapshot, withoutSnapshot } from "./rules.ts";
import { checkpointVerbs } from "./verbs.ts";

/** A guest that takes longer to list its changes must not hold up other exclusive work */
const countTimeoutMs = 20_000;
/** More than a real guest lists in that time */
const maxChanges = 500_000;

export function checkpointOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(checkpointVerbs, {
    createSnapshot: ({ snapshotName }, { signal }) =>
      workspace.exclusively(() => createSnapshot(workspace, snapshotName, signal)),
    deleteSnapshot: ({ snapshotName }) =>
      workspace.exclusively(async () => {
        await deleteSnapshot(workspace, snapshotName);
        return {};
      }),
    reset: ({ snapshotName }, { signal }) =>
      workspace.exclusively(() => resetWorkspace(workspace, snapshotName, signal)),
  });
}

/** Freezes the workspace's disk. Only writes to it wait. */
async function createSnapshot(
  workspace: OwnedWorkspace,
  snapshotName: string,
  signal: AbortSignal,
): Promise<SnapshotRecord> {
  const session = await workspace.session();
  requireNewSnapshot(workspace.record, snapshotName);
  workspace.secrets.requireNone("name of a snapshot", [snapshotName]);
  requirePower(session.machine.features, "liveLayers", `cannot create snapshot '${snapshotName}'`);
  const limit = AbortSignal.timeout(countTimeoutMs);
  const counts = await countEntries(session, workspace.record, limit).catch((error: unknown) => {
    throw limit.aborted ? tooSlow(error) : error;
  });
  const layers = await addLayer(workspace, session, signal);
  const snapshot = { snapshotName, createdAt: new Date().toISOString(), ...counts, layers };
  await workspace.update(({ snapshots }) => ({
    snapshots: [...snapshots, snapshot],
    lastActivityAt: snapshot.createdAt,
  }));
  return snapshot;
}

/** Puts an empty layer on the disk of the running machine. Those below it no longer change. */
export async function addLayer(
  workspace: OwnedWorkspace,
  session: Session,
  signal: AbortSignal,
): Promise<WorkspaceRecord["layers"]> {
  const { place } = workspace;
  const { layers, nextLayer } = workspace.record;
  const top = `${nextLayer}.qcow2`;
  await copyLayer(place.layerPath(emptyLayerName), place.layerPath(top), 0o600);
  await syncLayers(place, [top]);
  // On file before the disk changes: an unused empty layer is harmless, a missing layer loses
  // writes.
  await workspace.update({ layers: [...layers, top], nextLayer: nextLayer + 1 });
  // From here on it cannot be cancelled.
  throwIfCancelled(signal);
  await pushLayer(session, top);
  return layers;
}

async function pushLayer({ machine }: Session, layer: string): Promise<void> {
  await machine.agent.freezeWorkspace();
  try {
    await machine.vm.pushWorkspaceLayer(layer);
  } finally {
    // It fails if the guest has gone on by itself. The layer below may then end in the middle of a
    // write.
    await machine.agent.thawWorkspace();
  }
}

/** Counts the tree: the baseline's figures and what has changed since. */
async function countEntries(
  { machine }: Session,
  { seed, baseline }: WorkspaceRecord,
  limit: AbortSignal,
): Promise<{ entryCount: number; bytesWritten: number }> {
  let { entryCount, bytesWritten } = baseline ?? seed;
  let changeCount = 0;
  const changes = machine.agent.treeChanges({ contentLimit: 0 }, limit);
  for await (const change of decodeChanges(framesOf(changes), 0)) {
    changeCount += 1;
    if (changeCount > maxChanges)
      throw new PyroError("resource_exhausted", `cannot create a snapshot: more than ${maxChanges} files have changed`);
    entryCount += Number(change.new !== null) - Number(change.old !== null);
    bytesWritten += (change.new?.size ?? 0) - (change.old?.size ?? 0);
  }
  return { entryCount, bytesWritten: Math.max(0, bytesWritten) };
}

/** Nothing else cancels the count. */
function tooSlow(cause: unknown): PyroError {
  return new PyroError(
    "timeout",
    `cannot create a snapshot: the guest took longer than ${countTimeoutMs / 1000} s to list what has changed`,
    { hint: "Remove what was generated, and try again.", cause },
  );
}

async function deleteSnapshot(workspace: OwnedWorkspace, snapshotName: string): Promise<void> {
  await workspace.update((record) => withoutSnapshot(record, snapshotName));
  await sweepUnused(workspace.place, workspace.record);
}

/**
 * Goes back to a checkpoint with a new machine. The old one works on until the new one is there.
 */
async function resetWorkspace(
  workspace: OwnedWorkspace,
  snapshotName: string,
  signal: AbortSignal,
): Promise<WorkspaceRecord> {
  const { context, place } = workspace;
  // Without a running machine there is none to swap.
  await workspace.session();
  try {
    return await workspace.swapMachine(
      "the workspace was reset",
      (record) => forkCheckpoint({ context, place, record, signal }, snapshotName),
      signal,
    );
  } finally {
    // These are of the old machine or, after a failure, of the new one.
    await sweepUnused(place, workspace.record);
  }
}

/** A machine at a checkpoint, and what the record says of the workspace once it runs. */
export async function forkCheckpoint(
  request: Parameters<typeof forkWorkspaceMachine>[0],
  snapshotName: string,
): Promise<NewMachine> {
  const { record } = request;
  const { machine, disks } = await forkWorkspaceMachine(request, checkpointOf(record, snapshotName));
  const now = new Date().toISOString();
  return {
    machine,
    change: {
      ...disks,
      state: "started",
      stateReason: null,
      isolation: machine.isolation,
      commandCount: 0,
      services: [],
      lastCommand: null,
      sessionStartedAt: now,
      lastActivityAt: now,
      publishedPorts: [],
      resetCount: record.resetCount + 1,
      lastResetAt: now,
      rootLoss: null,
    },
  };
}
