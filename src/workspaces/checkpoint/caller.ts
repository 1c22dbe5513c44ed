import type { EngineContext } from "../../machines/context.ts";
import { requireRunning } from "../control/access.ts";
import { call } from "../control/client.ts";
import type { SnapshotRecord } from "../record/record.ts";

/** Keeps a running workspace's files as they are; it works on meanwhile. */
export async function createSnapshot(
  context: EngineContext,
  workspaceId: string,
  snapshotName: string,
  signal: AbortSignal | undefined,
): Promise<SnapshotRecord> {
  const { socket } = await requireRunning(context, workspaceId, signal);
  return call(socket, "createSnapshot", { snapshotName }, { signal });
}
