import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { complain } from "../control/complain.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import type { WorkspacePlace } from "../record/store.ts";

/**
 * The empty layer that a snapshot puts on top: a copy of the template's, which may be gone by then
 */
export const emptyLayerName = "empty.qcow2";

const layerForm = /^\d+\.qcow2$/;

/** Removes the layers that neither the workspace nor a snapshot needs any more. */
export async function sweepLayers(place: WorkspacePlace, record: WorkspaceRecord): Promise<void> {
  const used = new Set([...record.layers, ...record.rootLayers, ...checkpointChains(record).flat()]);
  for (const name of await readdir(place.disksDir)) {
    if (layerForm.test(name) && !used.has(name)) await rm(place.layerPath(name), { force: true });
  }
}

/** Removes half-written records that a crash has left. */
export async function sweepRecords(place: WorkspacePlace): Promise<void> {
  const prefix = `.${basename(place.recordPath)}.`;
  for (const name of await readdir(place.dir)) {
    if (name.startsWith(prefix)) await rm(join(place.dir, name), { force: true });
  }
}

/** Removes the histories that resets have cleared. */
async function sweepHistories(place: WorkspacePlace, { resetCount }: WorkspaceRecord): Promise<void> {
  const current = place.historyDir(resetCount);
  for (const name of await readdir(place.dir)) {
    const path = join(place.dir, name);
    if (name.startsWith("history-") && path !== current) await rm(path, { recursive: true, force: true });
  }
}

/** Removes what a change of the record has left over. What that leaves, the next sweep removes. */
export async function sweepUnused(place: WorkspacePlace, record: WorkspaceRecord): Promise<void> {
  try {
    await sweepLayers(place, record);
    await sweepHistories(place, record);
  } catch (error) {
    complain("cannot remove what is no longer used", error);
  }
}

/**
 * A layer and the one below it that can be merged, because every disk that has the lower one has
 * the upper one too. Deleted snapshots leave such pairs. Undefined if there is none.
 */
export function mergeablePair(
  record: Pick<WorkspaceRecord, "layers" | "snapshots" | "baseline">,
): { readonly lower: string; readonly upper: string } | undefined {
  const { layers } = record;
  const chains = [layers, ...checkpointChains(record)];
  for (const [index, lower] of layers.entries()) {
    const upper = layers[index + 1];
    if (upper === undefined) return undefined;
    const isShared = chains.some((chain) => chain.includes(lower) && chain[chain.indexOf(lower) + 1] !== upper);
    if (!isShared) return { lower, upper };
  }
  return undefined;
}

/** The record after a pair has been merged into its lower layer. */
export function withoutLayer(
  { layers, snapshots, baseline }: Pick<WorkspaceRecord, "layers" | "snapshots" | "baseline">,
  merged: string,
): Pick<WorkspaceRecord, "layers" | "snapshots" | "baseline"> {
  const rest = (names: readonly string[]) => names.filter((name) => name !== merged);
  return {
    layers: rest(layers),
    snapshots: snapshots.map((snapshot) => ({ ...snapshot, layers: rest(snapshot.layers) })),
    baseline: baseline && { ...baseline, layers: rest(baseline.layers) },
  };
}

/** The layers of each checkpoint that the workspace can return to, the seed alone left out. */
function checkpointChains({
  snapshots,
  baseline,
}: Pick<WorkspaceRecord, "snapshots" | "baseline">): readonly (readonly string[])[] {
  return [...snapshots.map((snapshot) => snapshot.layers), ...(baseline ? [baseline.layers] : [])];
}
