import type { ChildProcess } from "node:child_process";
import { access, constants, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { throwIfCancelled, unlessCancelled } from "../../core/deadline.ts";
import { type ExecEnding, type ExecSpec, nothingReported } from "../../guest/messages.ts";
import { type Ending, endingOf, findProgram, killGroup, spawnTied } from "../../host/process.ts";

/**
 * Standard streams of a command. A promise of a reader holds the command back until it resolves.
 */
export interface HostStreams {
  readonly stdin?: Readable | undefined;
  onStdout(chunk: Buffer): Promise<void> | void;
  onStderr(chunk: Buffer): Promise<void> | void;
}

export interface HostRunOptions extends HostStreams {
  readonly signal?: AbortSignal | undefined;
  /** Folders in which commands are looked up, in the form of PATH */
  readonly searchPath: string;
}

/** A pause, or this much, ends what an ended command left in its pipes */
const leftoverPauseMs = 200;
const maxLeftoverBytes = 1024 * 1024;

/** Runs a command in an empty folder of the host, without isolation, for users who ask by flag. */
export async function runOnHost(spec: ExecSpec, options: HostRunOptions): Promise<ExecEnding> {
  throwIfCancelled(options.signal);
  const startedMs = performance.now();
  const cwd = await mkdtemp(join(tmpdir(), "pyro-host-compat-"));
  try {
    const [name = "", ...args] = spec.argv ?? [await findShell(options.searchPath), "-c", spec.shell ?? ""];
    const program = await lookUp(name, cwd, options.searchPath);
    const outcome =
      "error" in program
        ? program
        : await runTied([program.path, ...args], { ...options, cwd, timeoutMs: spec.timeoutMs });
    return { ...nothingReported, ...outcome, durationMs: performance.now() - startedMs };
  } finally {
    await rm(cwd, { recursive: true, force: true }).catch(() => {
      // A process that escaped still writes there, and the command's outcome matters more.
    });
  }
}

/** bash if the host has it, as in a guest, else the shell of every host. */
async function findShell(searchPath: string): Promise<string> {
  return (await findProgram("bash", searchPath)) ?? "/bin/sh";
}

type StartFailure = Pick<ExecEnding, "exitCode"> & Required<Pick<ExecEnding, "error">>;

/** The file that a shell would run, or the shell's error. setpriv would word it differently. */
async function lookUp(
  name: string,
  cwd: string,
  searchPath: string,
): Promise<{ readonly path: string } | StartFailure> {
  const path = name.includes("/") ? resolve(cwd, name) : await findProgram(name, searchPath);
  const status = path === undefined || name === "" ? undefined : await stat(path).catch(() => undefined);
  if (path === undefined || status === undefined) {
    const message = `cannot run '${name}': command not found`;
    return { exitCode: 127, error: { code: "command_not_found", message } };
  }
  if (status.isFile() && (await mayExecute(path))) return { path };
  const message = `cannot run '${name}': it is not an executable file`;
  return { exitCode: 126, error: { code: "command_not_executable", message } };
}

function mayExecute(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

interface TiedRun extends HostStreams {
  readonly signal?: AbortSignal | undefined;
  readonly cwd: string;
  readonly timeoutMs: number;
}

async function runTied(
  command: readonly [string, ...string[]],
  { cwd, timeoutMs, stdin, signal, onStdout, onStderr }: TiedRun,
): Promise<Ending & { readonly timedOut: boolean }> {
  const child = spawnTied(command, "KILL", { cwd, stdio: [stdin ? "pipe" : "ignore", "pipe", "pipe"] });
  const ended = endingOf(child, command[0]);
  const exit = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child, "SIGKILL");
  }, timeoutMs);
  child.once("exit", () => {
    clearTimeout(timer);
    // Processes that the command left must not stay on the host, and would hold its output open.
    killGroup(child, "SIGKILL");
    exit.abort();
  });
  try {
    void feed(stdin, child.stdin);
    const outputs = [deliver(child.stdout, onStdout, exit.signal), deliver(child.stderr, onStderr, exit.signal)];
    // Its output may wait for a reader that never takes it.
    const [ending] = await unlessCancelled(Promise.all([ended, ...outputs]), signal);
    return { ...ending, timedOut };
  } finally {
    clearTimeout(timer);
    await end(child, ended, exit.signal);
  }
}

async function end(child: ChildProcess, ended: Promise<Ending>, exited: AbortSignal): Promise<void> {
  // After the exit the group's number may belong to another group.
  if (!exited.aborted) killGroup(child, "SIGKILL");
  for (const stream of child.stdio) stream?.destroy();
  await ended.catch(() => {
    // It was never started, and the caller knows that.
  });
}

/** Delivers a stream to its end or, if an escaped process holds it open, to what the exit left. */
async function deliver(stream: Readable | null, sink: HostStreams["onStdout"], exited: AbortSignal): Promise<void> {
  if (!stream) return;
  let timer: NodeJS.Timeout | undefined;
  let isDelivering = false;
  let gaveUp = false;
  const giveUpSoon = () => {
    timer = setTimeout(() => {
      if (isDelivering) return;
      gaveUp = true;
      stream.destroy();
    }, leftoverPauseMs);
  };
  exited.addEventListener("abort", giveUpSoon, { once: true });
  let leftoverBytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      isDelivering = true;
      await sink(chunk);
      isDelivering = false;
      if (!exited.aborted) continue;
      leftoverBytes += chunk.length;
      if (leftoverBytes > maxLeftoverBytes) return;
      clearTimeout(timer);
      giveUpSoon();
    }
  } catch (error) {
    if (!gaveUp) throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function feed(source: Readable | undefined, target: Writable | null): Promise<void> {
  if (!source || !target) return;
  await pipeline(source, target).catch(() => {
    // The command ended before it read all of its input.
  });
}
