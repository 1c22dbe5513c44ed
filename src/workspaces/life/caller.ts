import { setTimeout } from "node:timers/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { identifyProcess, isSameProcess, killGroupOf, type ProcessIdentity } from "../../host/process-identity.ts";
import type { EngineContext } from "../../machines/context.ts";
import { sweepLayers } from "../checkpoint/layers.ts";
import { checkpointLayers, withoutSnapshot } from "../checkpoint/rules.ts";
import { type Access, accessWorkspace, currentRecord, findAnswerer } from "../control/access.ts";
import { call } from "../control/client.ts";
import type { MetadataUpdate } from "../control/protocol.ts";
import { startSupervisor } from "../control/start.ts";
import type { WorkspaceCall } from "../file/caller.ts";
import { changedMetadata } from "../record/metadata.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import {
  findWorkspace,
  listWorkspaces,
  readWorkspace,
  removeWorkspace,
  type StoredWorkspace,
  saveWorkspace,
  sweepLeftovers,
  WorkspacePlace,
} from "../record/store.ts";
import { requireRoomForOneMore } from "./active-limit.ts";

/** After its answer a deleted workspace's supervisor and guardian are gone within milliseconds */
const processesEndMs = 3_000;

type IdleAccess = Extract<Access, { kind: "idle" }>;

/** All workspaces, those that cannot be read included; what has expired or was left half deleted goes. */
export async function allWorkspaces(context: EngineContext, signal?: AbortSignal): Promise<readonly StoredWorkspace[]> {
  const { workspacesDir } = context.layout;
  await sweepLeftovers(workspacesDir);
  const stored = await listWorkspaces(workspacesDir);
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
    // Gone, or not readable any more: the next look says which.
    return findWorkspace(context.layout.workspacesDir, workspace.record.workspaceId).catch(() => undefined);
  }
}

export async function updateWorkspace(wanted: WorkspaceCall, update: MetadataUpdate): Promise<WorkspaceRecord> {
  const { signal } = wanted;
  return whoeverAnswers(wanted, {
    running: (socket) => call(socket, "update", update, { signal }),
    async idle({ record }, place) {
      const changed = { ...record, ...changedMetadata(record, update) };
      await saveWorkspace(place, changed);
      return changed;
    },
  });
}

/** Stops a workspace; one that does not run stays as it is. */
export async function stopWorkspace(wanted: WorkspaceCall): Promise<WorkspaceRecord> {
  const { signal } = wanted;
  return whoeverAnswers(wanted, {
    running: (socket) => call(socket, "stop", {}, { signal }),
    async idle({ record }, place) {
      // What failed is stopped by being told so.
      const stopped: WorkspaceRecord = { ...record, state: "stopped", stateReason: null };
      await saveWorkspace(place, stopped);
      return stopped;
    },
  });
}

/** Starts a stopped or failed workspace on its own disks; one that runs stays as it is. */
export async function startWorkspace(wanted: WorkspaceCall): Promise<WorkspaceRecord> {
  return whoeverAnswers(wanted, {
    async running(socket, record) {
      socket.destroy();
      return record;
    },
    idle: (access, place) => launch(wanted, place, access, { mode: "start" }),
  });
}

/** Begins again from a checkpoint, whatever has become of the machine. */
export async function resetWorkspace(wanted: WorkspaceCall, snapshotName: string): Promise<WorkspaceRecord> {
  const { signal } = wanted;
  return whoeverAnswers(wanted, {
    running: (socket) => call(socket, "reset", { snapshotName }, { signal }),
    async idle(access, place) {
      checkpointLayers(access.record, snapshotName);
      return launch(wanted, place, access, { mode: "reset", snapshotName });
    },
  });
}

export async function deleteSnapshot(wanted: WorkspaceCall, snapshotName: string): Promise<void> {
  const { signal } = wanted;
  await whoeverAnswers(wanted, {
    running: (socket) => call(socket, "deleteSnapshot", { snapshotName }, { signal }),
    async idle({ record }, place) {
      const changed = { ...record, ...withoutSnapshot(record, snapshotName) };
      await saveWorkspace(place, changed);
      await sweepLayers(place, changed);
      return {};
    },
  });
}

/** Ends a workspace and removes everything of it, also one whose record cannot be read. */
export async function deleteWorkspace({ context, workspaceId, signal }: WorkspaceCall): Promise<void> {
  const { workspacesDir } = context.layout;
  const stored = await findWorkspace(workspacesDir, workspaceId);
  const { place } = stored;
  if (!(await pathExists(place.lockPath))) return removeWorkspace(workspacesDir, place);
  const guardian = stored.status === "ok" ? stored.record.guardian : null;
  const answerer = await findAnswerer(place, signal);
  if ("socket" in answerer) await call(answerer.socket, "delete", {}, { signal });
  else {
    await using _ = answerer.lock;
    if (guardian) await killGroupOf(guardian);
    await removeWorkspace(workspacesDir, place);
  }
  if (guardian) await ended(guardian);
}

/** Several tries, because what was asked of a supervisor that was just ending has not happened. */
const maxTries = 3;

async function whoeverAnswers<T>(
  { context, workspaceId, signal }: WorkspaceCall,
  answers: {
    running(socket: Extract<Access, { kind: "running" }>["socket"], record: WorkspaceRecord): Promise<T>;
    idle(access: IdleAccess, place: WorkspacePlace): Promise<T>;
  },
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const access = await accessWorkspace(context, workspaceId, signal);
    if (access.kind === "idle") {
      await using _ = access.lock;
      return await answers.idle(access, new WorkspacePlace(context.layout.workspacesDir, workspaceId));
    }
    try {
      return await answers.running(access.socket, access.record);
    } catch (error) {
      if (PyroError.from(error).code !== "unavailable" || tries === maxTries) throw error;
    }
  }
}

async function launch(
  { context, signal }: WorkspaceCall,
  place: WorkspacePlace,
  { lock, record }: IdleAccess,
  how: { readonly mode: "start" | "reset"; readonly snapshotName?: string },
): Promise<WorkspaceRecord> {
  const { dir, logPath } = place;
  await requireRoomForOneMore(context, "start a workspace", () =>
    saveWorkspace(place, { ...record, state: "starting" }),
  );
  using supervisor = startSupervisor({ context, dir, logPath, lock, expiresAt: record.expiresAt });
  try {
    await supervisor.go({ ...how, signal });
  } catch (error) {
    // Nothing has changed; when the supervisor is still at it, it will say what is.
    const now = await readWorkspace(context.layout.workspacesDir, record.workspaceId);
    if (now.state === "starting") await saveWorkspace(place, record);
    throw error;
  }
  return readWorkspace(context.layout.workspacesDir, record.workspaceId);
}

async function ended(process: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + processesEndMs;
  while (Date.now() < deadline) {
    const current = await identifyProcess(process.pid);
    if (!current || !isSameProcess(current, process)) return;
    await setTimeout(2);
  }
}
