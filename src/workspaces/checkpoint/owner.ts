import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { decodeChanges } from "../../guest/tree.ts";
import type { Machine } from "../../machines/machine.ts";
import { requirePower } from "../../vm/features.ts";
import type { VerbOutput } from "../control/protocol.ts";
import type { Session, Tenure } from "../control/session.ts";
import { copyLayer, forkWorkspaceMachine } from "../life/machine.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { emptyLayerName, sweepHistories, sweepLayers } from "./layers.ts";
import { checkpointLayers, requireNewSnapshot, withoutSnapshot } from "./rules.ts";

/** A guest that takes longer to say what has changed shall not hold up whatever else waits for its turn */
const countTimeoutMs = 20_000;
/** As a real guest names them in that time */
const maxChanges = 500_000;

/** Freezes the workspace's disk as it is; only writes to it wait meanwhile. */
export async function createSnapshot(
  session: Session,
  snapshotName: string,
  signal: AbortSignal,
): Promise<VerbOutput<"createSnapshot">> {
  const { place } = session;
  const tenure = await session.tenure();
  requireNewSnapshot(session.record, snapshotName);
  requirePower(tenure.machine.features, "liveLayers", `cannot create snapshot '${snapshotName}'`);
  const counts = await countEntries(tenure, session.record);
  const { layers, nextLayer } = session.record;
  const top = `${nextLayer}.qcow2`;
  await copyLayer(place.layerPath(emptyLayerName), place.layerPath(top), 0o600);
  // First on file: an empty layer too many says the same as none, one too few would lose what is written to it.
  await session.update({ layers: [...layers, top], nextLayer: nextLayer + 1 });
  // From here on it is carried through.
  throwIfCancelled(signal);
  await pushLayer(tenure, top);
  const snapshot = { snapshotName, createdAt: new Date().toISOString(), ...counts, layers };
  await session.update(({ snapshots }) => ({
    snapshots: [...snapshots, snapshot],
    lastActivityAt: snapshot.createdAt,
  }));
  return snapshot;
}

async function pushLayer({ machine }: Tenure, layer: string): Promise<void> {
  await machine.agent.freezeWorkspace();
  try {
    await machine.vm.pushWorkspaceLayer(layer);
  } finally {
    // Fails when the guest has not waited for us: then the layer below may have been cut off in the middle of a write.
    await machine.agent.thawWorkspace();
  }
}

/** What is in the tree, as the baseline's figures and what has changed since tell it. */
async function countEntries(
  { machine }: Tenure,
  { seed }: WorkspaceRecord,
): Promise<{ entryCount: number; bytesWritten: number }> {
  let { entryCount, bytesWritten } = seed;
  let changeCount = 0;
  const changes = machine.agent.treeChanges({ contentLimit: 0 }, AbortSignal.timeout(countTimeoutMs));
  for await (const change of decodeChanges(changes, 0)) {
    changeCount += 1;
    if (changeCount > maxChanges)
      throw new PyroError("resource_exhausted", `cannot create a snapshot: more than ${maxChanges} files have changed`);
    entryCount += Number(change.new !== null) - Number(change.old !== null);
    bytesWritten += (change.new?.size ?? 0) - (change.old?.size ?? 0);
  }
  return { entryCount, bytesWritten: Math.max(0, bytesWritten) };
}

export async function deleteSnapshot(session: Session, snapshotName: string): Promise<void> {
  await session.update((record) => withoutSnapshot(record, snapshotName));
  await sweepLayers(session.place, session.record);
}

/** Begins again from a checkpoint: root disk, memory and processes are new. The old machine works on until the new one is there. */
export async function resetWorkspace(
  session: Session,
  snapshotName: string,
  signal: AbortSignal,
): Promise<WorkspaceRecord> {
  const { context, place } = session;
  // Without a machine there is nobody to make way for the new one.
  await session.tenure();
  try {
    return await session.exchange(
      "the workspace was reset",
      (record) => forkCheckpoint({ context, place, record, signal }, snapshotName),
      signal,
    );
  } finally {
    // Of the old state, or of the new one that could not be had.
    await sweepLayers(place, session.record);
    await sweepHistories(place, session.record);
  }
}

/** A machine at a checkpoint, and what the record says of the workspace once it runs. */
export async function forkCheckpoint(
  request: Parameters<typeof forkWorkspaceMachine>[0],
  snapshotName: string,
): Promise<{ machine: Machine; change: Partial<WorkspaceRecord> }> {
  const { record } = request;
  const { machine, disks } = await forkWorkspaceMachine(request, checkpointLayers(record, snapshotName));
  const now = new Date().toISOString();
  return {
    machine,
    change: {
      ...disks,
      ...{ state: "started", stateReason: null, isolation: machine.isolation },
      ...{ commandCount: 0, lastCommand: null, sessionStartedAt: now, lastActivityAt: now },
      ...{ resetCount: record.resetCount + 1, lastResetAt: now },
    },
  };
}
