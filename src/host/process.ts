import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import { withoutInherited } from "./inherited-fds.ts";

export interface Ending {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CapturedRun extends Ending {
  readonly stdout: string;
  readonly stderr: string;
}

export interface CaptureOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Options of `setpriv` that take privileges from it */
  readonly privileges?: readonly string[];
  /** Open files for descriptors 3, 4, … of the child */
  readonly extraFds?: readonly number[];
  /** Called with each line of standard error as it comes */
  readonly onStderrLine?: (line: string) => void;
}

/** Size of the kept end of each stream of a helper program, where errors are */
const capturedTailBytes = 256 * 1024;
const killGraceMs = 5_000;
/**
 * Limit for the open pipes of a dead program. A descendant that left its group can hold them for
 * ever
 */
const pipeGraceMs = 1_000;

/**
 * Runs a helper program of the host to its end and keeps the tail of its output. The program and
 * its process group die with this process (by SIGTERM, so that it can clean up), at the deadline,
 * and when the signal aborts.
 */
export async function capture(command: readonly [string, ...string[]], options: CaptureOptions): Promise<CapturedRun> {
  const child = spawnTied(command, "TERM", {
    stdio: ["ignore", "pipe", "pipe", ...(options.extraFds ?? [])],
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
    ...(options.privileges ? { privileges: options.privileges } : {}),
  });
  const stdout = tailOf(child.stdout);
  const stderr = tailOf(child.stderr, options.onStderrLine);
  const program = command[0];
  const ended = endingOf(child, program);
  // Now, because another group can have the number later.
  child.once("exit", () => killGroup(child, "SIGKILL"));
  let cutOff: (reason: PyroError) => void = () => {};
  const cutShort = new Promise<PyroError>((resolve) => {
    cutOff = resolve;
  });
  const timer = setTimeout(
    () => cutOff(new PyroError("timeout", `'${program}' did not finish within ${options.timeoutMs / 1000} s`)),
    options.timeoutMs,
  );
  const onAbort = () => cutOff(new PyroError("cancelled", "the operation was cancelled"));
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  try {
    const outcome = await Promise.race([cutShort, ended]);
    if (outcome instanceof PyroError) {
      await endGroup(child, ended);
      throw outcome;
    }
    return { ...outcome, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function endGroup(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
  if (isRunning(child)) {
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    killGroup(child, "SIGTERM");
    await atMost(killGraceMs, exited);
    if (isRunning(child)) killGroup(child, "SIGKILL");
  }
  await atMost(pipeGraceMs, ended);
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}

async function atMost(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  try {
    await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Spawns a process-group leader that the kernel signals when this process dies, SIGKILL included.
 * `setpriv` arms the signal. The shell then checks that this process had not died before, which
 * would leave the signal unarmed for ever. `setpriv` is found through this process's own PATH.
 */
export function spawnTied(
  command: readonly [string, ...string[]],
  onParentDeath: "KILL" | "TERM",
  options: SpawnOptions & { readonly privileges?: readonly string[] },
): ChildProcess {
  const { privileges = [], ...spawnOptions } = options;
  const checkParent = 'test "$PPID" = "$1" || exit 125; shift; exec "$@"';
  const tie = [
    "--pdeathsig",
    onParentDeath,
    ...privileges,
    "--",
    "/bin/sh",
    "-c",
    checkParent,
    "sh",
    String(process.pid),
  ];
  const { stdio } = spawnOptions;
  const closed = Array.isArray(stdio) ? { stdio: withoutInherited(stdio) } : {};
  return spawn("setpriv", [...tie, ...command], { ...spawnOptions, ...closed, detached: true });
}

/**
 * Wraps a command for `capture` so that it and all its children die at once when it must end, also
 * by this process's death. It is for programs that ignore SIGTERM or leave children behind. They
 * get no chance to clean up.
 */
export function killedAsGroup(command: readonly string[]): [string, ...string[]] {
  return ["/bin/sh", "-c", 'trap "kill -KILL 0" TERM; "$@" & wait "$!"', "sh", ...command];
}

/**
 * Looks a command, and what it runs, up in `searchPath`. The rest of the environment stays, because
 * programs of the host need it (proxies above all), except for the assignments that the command may
 * begin with, as in a shell.
 */
export function foundIn(searchPath: string, command: readonly string[]): [string, ...string[]] {
  return ["env", `PATH=${searchPath}`, ...command];
}

/**
 * Resolves when the process has ended and its pipes are closed. Rejects if it could not be started.
 */
export function endingOf(child: ChildProcess, program: string): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
    child.once("error", (error) => reject(cannotStart(program, error)));
  });
}

function cannotStart(program: string, error: Error): PyroError {
  if (systemErrorCode(error) !== "ENOENT") {
    return new PyroError("internal", `cannot start '${program}': ${error.message}`, { cause: error });
  }
  return new PyroError("unavailable", `cannot start '${program}': setpriv was not found`, {
    hint: "Install the package util-linux.",
    cause: error,
  });
}

/**
 * Signals the group of a process that was started as its leader, whether or not the leader still
 * runs.
 */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // EPERM: the rest runs as another user, such as the set-user-ID program newuidmap for a moment.
    if (!["ESRCH", "EPERM"].includes(systemErrorCode(error) ?? "")) throw error;
  }
}

/** The absolute path of a program as the shell would find it. */
export async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  for (const dir of searchPath.split(delimiter)) {
    if (dir === "") continue;
    const candidate = join(dir, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // It is not in this folder.
    }
  }
  return undefined;
}

function tailOf(stream: NodeJS.ReadableStream | null, onLine?: (line: string) => void): () => string {
  let tail = "";
  let pending = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    tail = (tail + chunk).slice(-capturedTailBytes);
    if (!onLine) return;
    const lines = (pending + chunk).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  return () => tail;
}
