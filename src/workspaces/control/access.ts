import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { hint } from "../../core/hint.ts";
import { type HeldLock, signerOfLock } from "../../host/lock/lock-file.ts";
import { killGroupOf } from "../../host/process-identity.ts";
import type { EngineContext } from "../../machines/context.ts";
import { nothingKnown } from "../../machines/exit-status.ts";
import { commandsOf, JournalWriter, readJournal, readLatest } from "../record/journal.ts";
import { inWords, toCall } from "../record/kind.ts";
import { isActive, isExpired, isOrphan, visibleState, type WorkspaceRecord, withLatest } from "../record/record.ts";
import { withLostServices } from "../record/service.ts";
import {
  findWorkspace,
  lockWorkspace,
  noSuchWorkspace,
  readWorkspace,
  removeWorkspace,
  saveWorkspace,
  WorkspacePlace,
} from "../record/store.ts";
import { connectSupervisor, type SupervisorConnection } from "./connection.ts";
import type { OnTreeProgress } from "./progress.ts";
import { startLimitMs } from "./protocol.ts";

/**
 * A supervisor holds the lock for some 100 ms before it listens, and so does a caller that changes
 * the record of a workspace without a supervisor. Looking at the lock costs a process, so it
 * happens ever more rarely.
 */
const firstLookMs = 10;
const longestLookMs = 500;
/**
 * While a record says that a supervisor starts, its socket is looked for without a look at the lock
 */
const expectedSocketMs = 2_000;

/** A workspace, and the call that wants something of it. */
export interface WorkspaceCall {
  readonly context: EngineContext;
  readonly workspaceId: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnTreeProgress;
}

/**
 * Answers for a workspace that runs: its supervisor, on a connection that is ready for one call.
 */
export interface RunningWorkspace {
  readonly kind: "running";
  readonly connection: SupervisorConnection;
  readonly record: WorkspaceRecord;
}

/** Answers for a workspace that does not run: the caller itself, which holds its lock. */
export interface IdleWorkspace {
  readonly kind: "idle";
  readonly lock: HeldLock;
  readonly record: WorkspaceRecord;
}

export type Access = RunningWorkspace | IdleWorkspace;

/**
 * Finds out who answers for a workspace. If its supervisor is gone without having said so, the
 * workspace is recorded as failed first. If its time is over, it is removed.
 */
export async function accessWorkspace({ context, workspaceId, signal }: WorkspaceCall): Promise<Access> {
  const { workspacesDir } = context.layout;
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const record = await readWorkspace(workspacesDir, workspaceId);
  const answerer = await findAnswerer(place, signal);
  if ("connection" in answerer) return { kind: "running", connection: answerer.connection, record };
  return takeOver(workspacesDir, place, answerer.lock);
}

export type Answerer = { readonly connection: SupervisorConnection } | { readonly lock: HeldLock };

/**
 * The supervisor of a workspace once it is ready, or the workspace's lock, whatever its record
 * says.
 */
export async function findAnswerer(place: WorkspacePlace, signal?: AbortSignal): Promise<Answerer> {
  const startedMs = performance.now();
  for (let pauseMs = firstLookMs; ; pauseMs = Math.min(2 * pauseMs, longestLookMs)) {
    throwIfCancelled(signal);
    const connection = await connectSupervisor(place);
    if (await connection?.isReady(signal)) return { connection } as Answerer;
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > startLimitMs) throw await stuck(place);
    // A connection that was lost before it was ready says that the supervisor ends, so the lock is
    // free soon.
    const isExpected = !connection && waitedMs < expectedSocketMs && (await isStarting(place));
    const lock = isExpected ? "held" : await lockWorkspace(place);
    if (lock !== "held") return { lock };
    await setTimeout(pauseMs, undefined, { signal }).catch(() => throwIfCancelled(signal));
  }
}

async function isStarting({ dir, workspaceId }: WorkspacePlace): Promise<boolean> {
  const stored = await findWorkspace(dirname(dir), workspaceId);
  return stored.status === "ok" && stored.record.state === "starting";
}

/**
 * The record of a workspace as it is now, without a wait for running calls. A workspace that has
 * lost its supervisor becomes failed, and an expired one is removed.
 */
export async function currentRecord({ layout }: EngineContext, workspaceId: string): Promise<WorkspaceRecord> {
  const { workspacesDir } = layout;
  const record = await readWorkspace(workspacesDir, workspaceId);
  if ((record.state === "stopped" || record.state === "failed") && !isExpired(record)) return record;
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const connection = await connectSupervisor(place);
  connection?.close();
  const lock = connection ? "held" : await lockWorkspace(place);
  if (lock === "held") return withLatest(record, await readLatest(place.historyDir(record.resetCount)));
  const access = await takeOver(workspacesDir, place, lock);
  await lock[Symbol.asyncDispose]();
  return access.record;
}

/**
 * A connection to a workspace that runs. Refuses one that does not, with the reason and what to do.
 */
export async function requireRunning(wanted: WorkspaceCall): Promise<RunningWorkspace> {
  const access = await accessWorkspace(wanted);
  if (access.kind === "running") return access;
  await access.lock[Symbol.asyncDispose]();
  throw notRunning(access.record);
}

/**
 * The supervisor of a workspace must carry out each request. Without a supervisor the caller does.
 */
export interface Answers<T> {
  running(access: RunningWorkspace): Promise<T>;
  idle(access: IdleWorkspace, place: WorkspacePlace): Promise<T>;
}

/** A request to a supervisor that is about to end has not happened, so the caller repeats it */
const maxTries = 3;

/** Asks the supervisor of a workspace or, if there is none, does the work with the lock held. */
export async function askWorkspace<T>(wanted: WorkspaceCall, answers: Answers<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const access = await accessWorkspace(wanted);
    if (access.kind === "idle") {
      await using _ = access.lock;
      return await answers.idle(access, new WorkspacePlace(wanted.context.layout.workspacesDir, wanted.workspaceId));
    }
    try {
      return await answers.running(access);
    } catch (error) {
      if (PyroError.from(error).code !== "unavailable" || tries === maxTries) throw error;
    }
  }
}

async function takeOver(workspacesDir: string, place: WorkspacePlace, lock: HeldLock): Promise<Access> {
  try {
    // Read again, because only the holder of the lock can change it now.
    const record = await readWorkspace(workspacesDir, place.workspaceId);
    if (isExpired(record) || isOrphan(record)) {
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

/**
 * Records that the supervisor and its machine are gone, and that the end of running commands is
 * unknown.
 */
async function recordLoss(place: WorkspacePlace, record: WorkspaceRecord): Promise<WorkspaceRecord> {
  const historyDir = place.historyDir(record.resetCount);
  const lines = await readJournal(historyDir);
  const known = withLatest(record, lines);
  const unfinished = commandsOf(lines).filter(({ end }) => !end);
  if (unfinished.length > 0) {
    await using journal = await JournalWriter.open(historyDir);
    for (const { sequence, startedAt } of unfinished) {
      const durationMs = Math.max(0, Date.parse(known.lastActivityAt) - Date.parse(startedAt));
      await journal.append({ event: "command_end", end: { ...lostEnd, sequence, durationMs } });
    }
    await journal.sync();
  }
  const lost: WorkspaceRecord = {
    ...known,
    services: withLostServices(known.services),
    state: "failed",
    stateReason: record.state === "starting" ? "its start was interrupted" : "its supervisor ended unexpectedly",
  };
  await saveWorkspace(place, lost);
  return lost;
}

const lostEnd = {
  ...nothingKnown,
  unknownReason: "the workspace's supervisor ended while the command ran",
  stdoutBytes: 0,
  stderrBytes: 0,
  network: null,
  redactedCount: 0,
};

function notRunning(record: WorkspaceRecord): PyroError {
  const { workspaceId, stateReason } = record;
  const state = visibleState(record);
  const reason = stateReason === null ? "" : `: ${stateReason}`;
  return new PyroError("failed_precondition", `${inWords(workspaceId)} is not running, it is ${state}${reason}`, {
    hint:
      state === "created"
        ? hint`${toCall("start", workspaceId)}.`
        : hint`${toCall("start", workspaceId)}; its files are kept.`,
    details: { state },
  });
}

async function stuck({ lockPath, workspaceId }: WorkspacePlace): Promise<PyroError> {
  const holder = await signerOfLock(lockPath);
  if (holder !== undefined) {
    return new PyroError("timeout", `timed out after ${startLimitMs / 1000} s waiting for ${holder}`, {
      hint: "Wait for the other process to finish, or stop it, and try again.",
    });
  }
  return new PyroError("timeout", `${inWords(workspaceId)} is neither starting up nor going down any further`, {
    hint: "Look into its supervisor.log, end that process, and try again.",
  });
}
