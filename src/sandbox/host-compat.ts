import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import { killGroup } from "../host/process.ts";
import type { ExecOptions } from "../wire/exec.ts";
import type { ExecEnding, ExecSpec } from "../wire/messages.ts";

/** Runs a command on the host, isolated from nothing, in an empty folder: the last resort that a user must ask for by flag. */
export async function runOnHost(spec: ExecSpec, options: ExecOptions): Promise<ExecEnding> {
  const startedMs = performance.now();
  const cwd = await mkdtemp(join(tmpdir(), "pyro-host-compat-"));
  let timedOut = false;
  const [program = "", ...args] = spec.argv;
  const child = spawn(program, args, { cwd, detached: true, stdio: [spec.stdin ? "pipe" : "ignore", "pipe", "pipe"] });
  const stop = () => killGroup(child, "SIGKILL");
  const timer = setTimeout(() => {
    timedOut = true;
    stop();
  }, spec.timeoutMs);
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    // Whatever the command left running would hold its output open, and has no business on the host.
    child.once("exit", stop);
    void feed(options.stdin, child.stdin);
    const [[exitCode, signal]] = await Promise.all([
      exited,
      deliver(child.stdout, options.onStdout),
      deliver(child.stderr, options.onStderr),
    ]);
    if (options.signal?.aborted) throw new PyroError("cancelled", "the command was cancelled");
    return ending({ exitCode, signal, timedOut }, startedMs);
  } catch (error) {
    const startFailure = systemErrorCode(error);
    if (startFailure !== "ENOENT" && startFailure !== "EACCES") throw error;
    const notFound = startFailure === "ENOENT";
    return {
      ...ending({ exitCode: notFound ? 127 : 126, signal: null, timedOut }, startedMs),
      error: {
        code: notFound ? "command_not_found" : "command_not_executable",
        message: `${program}: ${notFound ? "command not found" : "permission denied"}`,
      },
    };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
    await rm(cwd, { recursive: true, force: true });
  }
}

function ending(
  how: Pick<ExecEnding, "exitCode" | "timedOut"> & { signal: NodeJS.Signals | null },
  startedMs: number,
): ExecEnding {
  return { ...how, cancelled: false, oomKilled: false, durationMs: performance.now() - startedMs };
}

async function deliver(stream: Readable | null, sink: (chunk: Buffer) => Promise<void> | void): Promise<void> {
  for await (const chunk of stream ?? []) await sink(chunk as Buffer);
}

async function feed(source: Readable | undefined, target: Writable | null): Promise<void> {
  if (!source || !target) return;
  await pipeline(source, target).catch(() => {
    // the command ended before it read all of its input
  });
}
