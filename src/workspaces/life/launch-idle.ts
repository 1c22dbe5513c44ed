import type { IdleWorkspace, WorkspaceCall } from "../control/access.ts";
import { startSupervisor } from "../control/start.ts";
import { inWords } from "../record/kind.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { readWorkspace, saveWorkspace, type WorkspacePlace } from "../record/store.ts";
import { claimActiveSlot } from "./active-limit.ts";

/**
 * Starts the supervisor of a workspace that has none. If that fails, the workspace is what it was.
 */
export async function launchIdle(
  { context, signal }: WorkspaceCall,
  place: WorkspacePlace,
  { lock, record }: IdleWorkspace,
  how: { readonly mode: "start" | "reset"; readonly snapshotName?: string },
): Promise<WorkspaceRecord> {
  const { dir, logPath } = place;
  await claimActiveSlot(context, `start ${inWords(record.workspaceId)}`, () =>
    saveWorkspace(place, { ...record, state: "starting" }),
  );
  using supervisor = startSupervisor({ context, dir, logPath, lock, expiresAt: record.expiresAt });
  try {
    return await supervisor.go({ ...how, signal });
  } catch (error) {
    // Nothing has changed. A supervisor that still starts will write the record itself.
    const now = await readWorkspace(context.layout.workspacesDir, record.workspaceId);
    if (now.state === "starting") await saveWorkspace(place, record);
    throw error;
  }
}
