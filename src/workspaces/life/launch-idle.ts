import type { IdleWorkspace, WorkspaceCall } from "../control/access.ts";
import { startSupervisor } from "../control/start.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { readWorkspace, saveWorkspace, type WorkspacePlace } from "../record/store.ts";
import { requireRoomForOneMore } from "./active-limit.ts";

/** Starts the supervisor of a workspace that has none. If that fails, the workspace is what it was. */
export async function launchIdle(
  { context, signal }: WorkspaceCall,
  place: WorkspacePlace,
  { lock, record }: IdleWorkspace,
  how: { readonly mode: "start" | "reset"; readonly snapshotName?: string },
): Promise<WorkspaceRecord> {
  const { dir, logPath } = place;
  await requireRoomForOneMore(context, "start a workspace", () =>
    saveWorkspace(place, { ...record, state: "starting" }),
  );
  using supervisor = startSupervisor({ context, dir, logPath, lock, expiresAt: record.expiresAt });
  try {
    return await supervisor.go({ ...how, signal });
  } catch (error) {
    // Nothing has changed; when the supervisor is still at it, it will say what is.
    const now = await readWorkspace(context.layout.workspacesDir, record.workspaceId);
    if (now.state === "starting") await saveWorkspace(place, record);
    throw error;
  }
}
