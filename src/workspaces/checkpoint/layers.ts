import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { WorkspaceRecord } from "../record/record.ts";
import type { WorkspacePlace } from "../record/store.ts";

/** The empty layer that snapshots put on top; a copy, so that no template is needed then */
export const emptyLayerName = "empty.qcow2";

const layerForm = /^\d+\.qcow2$/;

/** Removes the layers that neither the workspace nor a snapshot stands on any more. */
export async function sweepLayers(place: WorkspacePlace, record: WorkspaceRecord): Promise<void> {
  const { layers, rootLayers, snapshots } = record;
  const used = new Set([...layers, ...rootLayers, ...snapshots.flatMap((snapshot) => snapshot.layers)]);
  for (const name of await readdir(place.disksDir)) {
    if (layerForm.test(name) && !used.has(name)) await rm(place.layerPath(name), { force: true });
  }
}

/** Removes what a crash left of records that were being written. */
export async function sweepRecords(place: WorkspacePlace): Promise<void> {
  const prefix = `.${basename(place.recordPath)}.`;
  for (const name of await readdir(place.dir)) {
    if (name.startsWith(prefix)) await rm(join(place.dir, name), { force: true });
  }
}

/** Removes the histories that resets have cleared. */
export async function sweepHistories(place: WorkspacePlace, { resetCount }: WorkspaceRecord): Promise<void> {
  const current = place.historyDir(resetCount);
  for (const name of await readdir(place.dir)) {
    const path = join(place.dir, name);
    if (name.startsWith("history-") && path !== current) await rm(path, { recursive: true, force: true });
  }
}

/**
 * A layer and the one below it that can become one, because whoever stands on the lower stands on the upper too; undefined when no two can.
 * Deleted snapshots leave such pairs.
 */
export function mergeablePair({
  layers,
  snapshots,
}: Pick<WorkspaceRecord, "layers" | "snapshots">): { readonly lower: string; readonly upper: string } | undefined {
  const chains = [layers, ...snapshots.map((snapshot) => snapshot.layers)];
  for (const [index, lower] of layers.entries()) {
    const upper = layers[index + 1];
    if (upper === undefined) return undefined;
    const isShared = chains.some((chain) => chain.includes(lower) && chain[chain.indexOf(lower) + 1] !== upper);
    if (!isShared) return { lower, upper };
  }
  return undefined;
}

/** The record once a pair has become its lower layer. */
export function withoutLayer(
  { layers, snapshots }: Pick<WorkspaceRecord, "layers" | "snapshots">,
  merged: string,
): Pick<WorkspaceRecord, "layers" | "snapshots"> {
  const rest = (names: readonly string[]) => names.filter((name) => name !== merged);
  return {
    layers: rest(layers),
    snapshots: snapshots.map((snapshot) => ({ ...snapshot, layers: rest(snapshot.layers) })),
  };
}
