import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Duplex, Readable } from "node:stream";
import * as z from "zod";
import { withDeadline } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { fromWire, toWire } from "../../core/wire-case.ts";
import { withoutInherited } from "../../host/inherited-fds.ts";
import type { HeldLock } from "../../host/lock-file.ts";
import type { EngineContext } from "../../machines/context.ts";
import { type WorkspaceRecord, workspaceRecordSchema } from "../record/record.ts";
import { parseError } from "./client.ts";
import { channelFd, guardianName, idleExitCode, type Launch, launchSchema, toLaunchContext } from "./launch.ts";
import { startLimitMs } from "./protocol.ts";

/** The clock that a workspace's time is told by can jump, and a suspended host does not count */
const lookAgainSeconds = 60;

/**
 * The guardian: outlives its supervisor, to end the workspace at its time when the supervisor cannot. Only the supervisor has the channel
 * and the lock.
 */
const guardianScript = `
"$1" "$2" run "$3" 3>&3 4>&4 &
exec 3>&- 4>&-
wait "$!"
[ "$?" -ne ${idleExitCode} ] || exit 0
while [ -d "$3" ]; do
  left=$(($4 - $(date +%s)))
  [ "$left" -gt 0 ] || ! "$1" "$2" expire "$3" || exit 0
  [ "$left" -gt 0 ] && [ "$left" -lt ${lookAgainSeconds} ] || left=${lookAgainSeconds}
  sleep "$left"
done
`;

export interface SupervisorPlace {
  readonly context: EngineContext;
  /** Where the workspace is, or will be by the time the supervisor goes to work */
  readonly dir: string;
  readonly logPath: string;
  readonly lock: HeldLock;
  /** Not before this time its guardian has to look whether it has expired */
  readonly expiresAt: string;
}

/** What a supervisor goes to work with. */
export interface Task {
  readonly mode: Launch["mode"];
  readonly snapshotName?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A supervisor that loads itself while there is still something to prepare for it. */
export interface PendingSupervisor extends Disposable {
  /** Lets it go to work. Resolves with the record of the workspace when the supervisor serves */
  go(task: Task): Promise<WorkspaceRecord>;
}

/**
 * Starts the supervisor of a workspace. It gets our lock, and a parent of its own that init adopts: neither our end nor that of all our
 * descendants is its end. Without a task it goes away.
 */
export function startSupervisor(where: SupervisorPlace): PendingSupervisor {
  const channel = startGuardian(where);
  return {
    async go({ mode, snapshotName, signal }) {
      const launch = { mode, ...(snapshotName === undefined ? {} : { snapshotName }) };
      const text = JSON.stringify(toWire(launchSchema, { ...launch, context: toLaunchContext(where.context) }));
      channel.write(`${text}\n`);
      const waitingFor = `the supervisor of '${where.dir}' to start`;
      const said = await withDeadline(textOf(channel), { timeoutMs: startLimitMs, waitingFor, signal });
      return recordOf(said) ?? Promise.reject(await explainFailure(where, said));
    },
    [Symbol.dispose]: () => channel.destroy(),
  };
}

/** What a supervisor says once it has started, or failed to. */
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
      hint: "Look at the workspace with `pyro workspace list`.",
      details: { log: log.slice(-4_000) },
    },
  );
}

function startGuardian({ context, dir, logPath, lock, expiresAt }: SupervisorPlace): Duplex {
  const log = openSync(logPath, "a", 0o600);
  const { supervisorPath } = context.layout;
  const expiresAtSeconds = String(Math.ceil(Date.parse(expiresAt) / 1000));
  const script = ["sh", "-c", guardianScript, guardianName, process.execPath, supervisorPath, dir, expiresAtSeconds];
  try {
    const child = spawn("setsid", ["--fork", ...script], {
      stdio: withoutInherited(["ignore", log, log, "pipe", lock.fd]),
      cwd: "/",
    });
    const channel = child.stdio[channelFd] as Duplex;
    for (const source of [child, channel]) {
      source.on("error", () => {
        // Then the channel ends without a word.
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
    // A supervisor that was killed resets the channel; what it has said until then is what there is.
  }
  return text;
}
