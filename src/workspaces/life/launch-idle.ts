import type { IdleWorkspace, WorkspaceCall } from "../control/access.ts";
import { startSupervisor } from "../control/start.ts";
import { inWords } from "../record/kind.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { readWorkspace, saveWorkspace, type WorkspacePlace } from "../record/store.ts";
import { type ReadSecrets, secretsFor } from "../secret/given.ts";
import { claimActiveSlot } from "./active-limit.ts";

/** How a workspace is to begin that does not run. */
interface IdleLaunch {
  readonly mode: "start" | "reset";
  readonly snapshotName?: string;
  /** In addition to those that it has, or in place of those */
  readonly secrets?: ReadSecrets;
}

/**
 * Starts the supervisor of a workspace that has none. If that fails, the workspace is what it was.
 */
export async function launchIdle(
  { context, signal }: WorkspaceCall,
  place: WorkspacePlace,
  { lock, record }: IdleWorkspace,
  { secrets: given, ...how }: IdleLaunch,
): Promise<WorkspaceRecord> {
  const { dir, logPath } = place;
  const secrets = await secretsFor(context, record.secrets, given, signal);
  const starting: WorkspaceRecord = { ...record, secrets: secrets.records, state: "starting" };
  await claimActiveSlot(context, `start ${inWords(record.workspaceId)}`, () => saveWorkspace(place, starting));
  using supervisor = startSupervisor({ context, dir, logPath, lock, expiresAt: record.expiresAt });
  try {
    return await supervisor.go({ ...how, secrets: secrets.held, signal });
  } catch (error) {
    // Nothing has changed. A supervisor that still starts will write the record itself.
    const now = await readWorkspace(context.layout.workspacesDir, record.workspaceId);
    if (now.state === "starting") await saveWorkspace(place, record);
    throw error;
  }
}
