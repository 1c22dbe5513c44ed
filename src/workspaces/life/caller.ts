import { setTimeout } from "node:timers/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { identifyProcess, isSameProcess, killGroupOf, type ProcessIdentity } from "../../host/process-identity.ts";
import type { EngineContext } from "../../machines/context.ts";
import { askWorkspace, currentRecord, findAnswerer, type WorkspaceCall } from "../control/access.ts";
import { call } from "../control/client.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import {
  findWorkspace,
  listStored,
  removeWorkspace,
  type StoredWorkspace,
  saveWorkspace,
  sweepLeftovers,
} from "../record/store.ts";
import { updated, type WorkspaceUpdate } from "../record/update.ts";
import { type GivenSecret, readGiven } from "../secret/given.ts";
import { secretVerbs } from "../secret/verbs.ts";
import { launchIdle } from "./launch-idle.ts";
import { lifeVerbs } from "./verbs.ts";

/** A supervisor that is about to end has not deleted anything, so what it leaves is tried again */
const maxTries = 3;
/** Limit for the end of a deleted workspace's supervisor and guardian, which takes milliseconds */
const processesEndMs = 3_000;

/**
 * All workspaces, those that cannot be read included. Removes what has expired or is half deleted.
 */
export async function allWorkspaces(context: EngineContext, signal?: AbortSignal): Promise<readonly StoredWorkspace[]> {
  const { workspacesDir } = context.layout;
  await sweepLeftovers(workspacesDir);
  const stored = await listStored(workspacesDir, "workspace");
  const current = await Promise.all(stored.map((workspace) => refreshed(context, workspace)));
  throwIfCancelled(signal);
  return current.filter((workspace) => workspace !== undefined);
}

async function refreshed(context: EngineContext, workspace: StoredWorkspace): Promise<StoredWorkspace | undefined> {
  if (workspace.status === "broken") return workspace;
  try {
    const record = await currentRecord(context, workspace.record.workspaceId);
    return { ...workspace, record };
  } catch {
    // It is gone, or its record cannot be read any more. Reading it again tells which.
    return findWorkspace(context.layout.workspacesDir, workspace.record.workspaceId).catch(() => undefined);
  }
}

export async function updateWorkspace(wanted: WorkspaceCall, update: WorkspaceUpdate): Promise<WorkspaceRecord> {
  const { signal } = wanted;
  return askWorkspace(wanted, {
    running: ({ connection }) => call(connection, lifeVerbs.update, update, { signal }),
    async idle({ record }, place) {
      const changed = { ...record, ...updated(record, update) };
      await saveWorkspace(place, changed);
      return changed;
    },
  });
}

/** Stops a workspace. One that does not run stays as it is. */
export async function stopWorkspace(wanted: WorkspaceCall): Promise<WorkspaceRecord> {
  const { signal } = wanted;
  return askWorkspace(wanted, {
    running: ({ connection }) => call(connection, lifeVerbs.stop, {}, { signal }),
    async idle({ record }, place) {
      // A failed workspace has nothing to stop.
      const stopped: WorkspaceRecord = { ...record, state: "stopped", stateReason: null };
      await saveWorkspace(place, stopped);
      return stopped;
    },
  });
}

/**
 * Starts a stopped or failed workspace on its own disks. One that runs stays as it is, but gets the
 * secrets.
 */
export async function startWorkspace(
  wanted: WorkspaceCall,
  given: readonly GivenSecret[] = [],
): Promise<WorkspaceRecord> {
  const { context, signal } = wanted;
  const read = await readGiven(context, given, signal);
  return askWorkspace(wanted, {
    running: ({ connection }) =>
      given.length === 0
        ? call(connection, lifeVerbs.start, {}, { signal })
        : call(connection, secretVerbs.useSecrets, read, { signal }),
    idle: (access, place) => launchIdle(wanted, place, access, { mode: "start", secrets: read }),
  });
}

/** Ends a workspace and removes all of it, even if its record cannot be read. */
export async function deleteWorkspace(wanted: WorkspaceCall): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await deleteOnce(wanted);
    } catch (error) {
      const { code } = PyroError.from(error);
      // The end that came first was a removal, such as that of a machine whose command ended.
      if (code === "not_found" && tries > 1) return;
      if (code !== "unavailable" || tries === maxTries) throw error;
    }
  }
}

async function deleteOnce({ context, workspaceId, signal }: WorkspaceCall): Promise<void> {
  const { workspacesDir } = context.layout;
  const stored = await findWorkspace(workspacesDir, workspaceId);
  const { place } = stored;
  if (!(await pathExists(place.lockPath))) return removeWorkspace(workspacesDir, place);
  const guardian = stored.status === "ok" ? stored.record.guardian : null;
  const answerer = await findAnswerer(place, signal);
  if ("connection" in answerer) await call(answerer.connection, lifeVerbs.delete, {}, { signal });
  else {
    await using _ = answerer.lock;
    if (guardian) await killGroupOf(guardian);
    await removeWorkspace(workspacesDir, place);
  }
  if (guardian) await ended(guardian);
}

async function ended(process: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + processesEndMs;
  while (Date.now() < deadline) {
    const current = await identifyProcess(process.pid);
    if (!current || !isSameProcess(current, process)) return;
    await setTimeout(2);
  }
}
