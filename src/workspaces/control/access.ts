import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import type { HeldLock } from "../../host/lock-file.ts";
import { killGroupOf } from "../../host/process-identity.ts";
import type { EngineContext } from "../../machines/context.ts";
import { commandsOf, JournalWriter, readJournal } from "../record/journal.ts";
import { isActive, isExpired, isUnfinished, shortCommand, type WorkspaceRecord } from "../record/record.ts";
import {
  lockWorkspace,
  noSuchWorkspace,
  readWorkspace,
  removeWorkspace,
  saveWorkspace,
  WorkspacePlace,
} from "../record/store.ts";
import { connectSupervisor } from "./client.ts";

/** A supervisor that starts or ends holds the lock without serving: so long at most */
const transitionMs = 120_000;
const lookAgainMs = 20;

/** Who answers for a workspace: its supervisor, or whoever holds the lock of one that has none. */
export type Access =
  | { readonly kind: "running"; readonly socket: Socket; readonly record: WorkspaceRecord }
  | { readonly kind: "idle"; readonly lock: HeldLock; readonly record: WorkspaceRecord };

/**
 * Finds out who answers for a workspace. One whose supervisor is gone without having said so is recorded as failed first, and one whose time
 * is over is removed.
 */
export async function accessWorkspace(
  { layout }: EngineContext,
  workspaceId: string,
  signal?: AbortSignal,
): Promise<Access> {
  const { workspacesDir } = layout;
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const record = await readWorkspace(workspacesDir, workspaceId);
  const answerer = await findAnswerer(place, signal);
  if ("socket" in answerer) return { kind: "running", socket: answerer.socket, record };
  return takeOver(workspacesDir, place, answerer.lock);
}

/** The supervisor of a workspace, or its lock, whatever its record says. */
export async function findAnswerer(
  place: WorkspacePlace,
  signal?: AbortSignal,
): Promise<{ readonly socket: Socket } | { readonly lock: HeldLock }> {
  const deadline = Date.now() + transitionMs;
  for (;;) {
    throwIfCancelled(signal);
    const socket = await connectSupervisor(place);
    if (socket) return { socket };
    const lock = await lockWorkspace(place);
    if (lock !== "held") return { lock };
    if (Date.now() > deadline) throw stuck(place.workspaceId);
    await setTimeout(lookAgainMs);
  }
}

/**
 * The record of a workspace as it is now, without waiting for what is going on: one that has lost its supervisor is known to be failed, one
 * whose time is over is removed.
 */
export async function currentRecord({ layout }: EngineContext, workspaceId: string): Promise<WorkspaceRecord> {
  const { workspacesDir } = layout;
  const record = await readWorkspace(workspacesDir, workspaceId);
  if ((record.state === "stopped" || record.state === "failed") && !isExpired(record)) return record;
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const socket = await connectSupervisor(place);
  socket?.destroy();
  if (socket) return record;
  const lock = await lockWorkspace(place);
  if (lock === "held") return record;
  const access = await takeOver(workspacesDir, place, lock);
  await lock[Symbol.asyncDispose]();
  return access.record;
}

/** A connection to a workspace that runs; refuses one that does not, saying why and what to do. */
export async function requireRunning(
  context: EngineContext,
  workspaceId: string,
  signal?: AbortSignal,
): Promise<Extract<Access, { kind: "running" }>> {
  const access = await accessWorkspace(context, workspaceId, signal);
  if (access.kind === "running") return access;
  await access.lock[Symbol.asyncDispose]();
  throw notRunning(access.record);
}

async function takeOver(workspacesDir: string, place: WorkspacePlace, lock: HeldLock): Promise<Access> {
  try {
    // Read again, now that nobody else can change it.
    const record = await readWorkspace(workspacesDir, place.workspaceId);
    // One that nobody was ever told of is of no use to anybody.
    if (isExpired(record) || isUnfinished(record)) {
      if (record.guardian) await killGroupOf(record.guardian);
      await removeWorkspace(workspacesDir, place);
      throw noSuchWorkspace(place.workspaceId);
    }
    return { kind: "idle", lock, record: isActive(record) ? await recordLoss(place, record) : record };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Writes down that the supervisor, and with it the machine, is gone, and that nobody knows how the commands ended that ran. */
async function recordLoss(place: WorkspacePlace, record: WorkspaceRecord): Promise<WorkspaceRecord> {
  const historyDir = place.historyDir(record.resetCount);
  const commands = commandsOf(await readJournal(historyDir));
  const unfinished = commands.filter(({ end }) => !end);
  if (unfinished.length > 0) {
    await using journal = await JournalWriter.open(historyDir);
    for (const { sequence, startedAt } of unfinished) {
      const durationMs = Math.max(0, Date.parse(record.lastActivityAt) - Date.parse(startedAt));
      await journal.append({ event: "command_end", end: { ...unknownEnd, sequence, durationMs } });
    }
  }
  const last = commands.at(-1);
  const lost: WorkspaceRecord = {
    ...record,
    state: "failed",
    stateReason: record.state === "starting" ? "its start was interrupted" : "its supervisor ended unexpectedly",
    commandCount: Math.max(record.commandCount, last?.sequence ?? 0),
    lastCommand: last
      ? {
          ...{ sequence: last.sequence, command: shortCommand(last.command), cwd: last.cwd },
          ...{ exitCode: last.end?.exitCode ?? null, durationMs: last.end?.durationMs ?? null },
        }
      : record.lastCommand,
  };
  await saveWorkspace(place, lost);
  return lost;
}

const unknownEnd = {
  ...{
    exitCode: null,
    signal: null,
    timedOut: false,
    cancelled: false,
    oomKilled: false,
    startError: null,
    syncError: null,
  },
  ...{ stdoutBytes: 0, stderrBytes: 0 },
  unknownReason: "the workspace's supervisor ended while the command ran",
};

function notRunning({ workspaceId, state, stateReason }: WorkspaceRecord): PyroError {
  const reason = stateReason === null ? "" : `: ${stateReason}`;
  return new PyroError("failed_precondition", `workspace '${workspaceId}' is not running, it is ${state}${reason}`, {
    hint: `Run \`pyro workspace start ${workspaceId}\`; its files are kept.`,
    details: { state },
  });
}

function stuck(workspaceId: string): PyroError {
  return new PyroError("timeout", `workspace '${workspaceId}' is neither starting up nor going down any further`, {
    hint: "Look into its supervisor.log, end that process, and try again.",
  });
}
