import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Duplex, Readable } from "node:stream";
import * as z from "zod";
import { withDeadline } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { fromWire, toWire } from "../../core/wire-case.ts";
import { withoutInherited } from "../../host/inherited-fds.ts";
import type { HeldLock } from "../../host/lock/lock-file.ts";
import type { EngineContext } from "../../machines/context.ts";
import { isIdOf, type Kind, nameCall } from "../record/kind.ts";
import { type WorkspaceRecord, workspaceRecordSchema } from "../record/record.ts";
import type { HeldSecret } from "../secret/source.ts";
import { parseError } from "./client.ts";
import { channelFd, guardianName, idleExitCode, type Launch, launchSchema, toLaunchContext } from "./launch.ts";
import { startLimitMs } from "./protocol.ts";

/** The host's clock can jump, and a sleep stands still while the host is suspended */
const lookAgainSeconds = 60;

/**
 * Threads of the supervisor's Node. Half of them may resolve names, so up to eight slow names do
 * not hold up others. By default it would be two.
 */
const threads = 16;

/**
 * The guardian outlives its supervisor and removes the workspace when it expires, if the supervisor
 * cannot. A machine for one command it removes as soon as the supervisor has died. Only the
 * supervisor has the channel and the lock.
 */
const guardianScript = `
UV_THREADPOOL_SIZE=\${UV_THREADPOOL_SIZE:-${threads}} "$1" "$2" run "$3" 3>&3 4>&4 &
exec 3>&- 4>&-
wait "$!"
ended=$?
[ "$ended" -ne ${idleExitCode} ] || exit 0
[ "$ended" -eq 0 ] || [ "$5" != vm ] || ! "$1" "$2" orphan "$3" || exit 0
while [ -d "$3" ]; do
  left=$(($4 - $(date +%s)))
  [ "$left" -gt 0 ] || ! "$1" "$2" expire "$3" || exit 0
  [ "$left" -gt 0 ] && [ "$left" -lt ${lookAgainSeconds} ] || left=${lookAgainSeconds}
  sleep "$left"
done
`;

export interface SupervisorPlace {
  readonly context: EngineContext;
  /** The workspace's folder, which exists by the time the supervisor gets its task */
  readonly dir: string;
  readonly logPath: string;
  readonly lock: HeldLock;
  /** Time at which the guardian looks for the first time whether the workspace has expired */
  readonly expiresAt: string;
}

/** A supervisor's task. */
export interface Task {
  readonly mode: Launch["mode"];
  readonly snapshotName?: string | undefined;
  readonly secrets?: readonly HeldSecret[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A supervisor that loads while its caller still prepares the task. */
export interface PendingSupervisor extends Disposable {
  /** Gives it its task. Resolves with the workspace's record when the supervisor serves */
  go(task: Task): Promise<WorkspaceRecord>;
}

/**
 * Starts the supervisor of a workspace. It inherits the lock and becomes a child of init, so that
 * it outlives this process and all its descendants. Without a task it exits.
 */
export function startSupervisor(where: SupervisorPlace): PendingSupervisor {
  const channel = startGuardian(where);
  return {
    async go({ mode, snapshotName, secrets = [], signal }) {
      const launch = { mode, secrets, ...(snapshotName === undefined ? {} : { snapshotName }) };
      const text = JSON.stringify(toWire(launchSchema, { ...launch, context: toLaunchContext(where.context) }));
      channel.write(`${text}\n`);
      const waitingFor = `the supervisor of '${where.dir}' to start`;
      const said = await withDeadline(textOf(channel), { timeoutMs: startLimitMs, waitingFor, signal });
      return recordOf(said) ?? Promise.reject(await explainFailure(where, said));
    },
    [Symbol.dispose]: () => channel.destroy(),
  };
}

/** A supervisor's report of its start. */
const answerSchema = z.object({ record: z.unknown(), error: z.unknown() }).partial();

function parseAnswer(said: string): z.output<typeof answerSchema> {
  return said === "" ? {} : answerSchema.parse(JSON.parse(said));
}

function recordOf(said: string): WorkspaceRecord | undefined {
  const { record } = parseAnswer(said);
  return record === undefined ? undefined : fromWire(workspaceRecordSchema, record);
}

async function explainFailure({ dir, logPath }: SupervisorPlace, said: string): Promise<PyroError> {
  const { error } = parseAnswer(said);
  if (error !== undefined) return parseError(error);
  const log = await readFile(logPath, "utf8").catch(() => "");
  const lastLine = log.trim().split("\n").at(-1) ?? "";
  return new PyroError(
    "outcome_unknown",
    `the supervisor of '${dir}' ended before it said that it serves: ${lastLine}`,
    {
      hint: isIdOf("vm", basename(dir))
        ? hint`Look at it with ${nameCall("status", basename(dir))}.`
        : hint`Look at the workspace with ${named("workspace.list")}.`,
      details: { log: log.slice(-4_000) },
    },
  );
}

function startGuardian({ context, dir, logPath, lock, expiresAt }: SupervisorPlace): Duplex {
  const log = openSync(logPath, "a", 0o600);
  const { supervisorPath } = context.layout;
  const expiresAtSeconds = String(Math.ceil(Date.parse(expiresAt) / 1000));
  const kind: Kind = isIdOf("vm", basename(dir)) ? "vm" : "workspace";
  const args = [process.execPath, supervisorPath, dir, expiresAtSeconds, kind];
  const script = ["sh", "-c", guardianScript, guardianName, ...args];
  try {
    const child = spawn("setsid", ["--fork", ...script], {
      stdio: withoutInherited(["ignore", log, log, "pipe", lock.fd]),
      cwd: "/",
    });
    const channel = child.stdio[channelFd] as Duplex;
    for (const source of [child, channel]) {
      source.on("error", () => {
        // The channel then ends without an answer.
      });
    }
    return channel;
  } finally {
    closeSync(log);
  }
}

async function textOf(stream: Readable): Promise<string> {
  stream.setEncoding("utf8");
  let text = "";
  try {
    for await (const chunk of stream) text += String(chunk);
  } catch {
    // A supervisor that is killed resets the channel. What it has said before still counts.
  }
  return text;
}
