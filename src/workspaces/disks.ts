import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { WorkspaceRecord } from "./record.ts";
import type { WorkspacePlace } from "./store.ts";

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

/** Removes the histories that resets have cleared. */
export async function sweepHistories(place: WorkspacePlace, { resetCount }: WorkspaceRecord): Promise<void> {
  const current = place.historyDir(resetCount);
  for (const name of await readdir(place.dir)) {
    const path = join(place.dir, name);
    if (name.startsWith("history-") && path !== current) await rm(path, { recursive: true, force: true });
  }
}
