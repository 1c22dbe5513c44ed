import type { Readable } from "node:stream";
import { PyroError } from "../core/errors.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import type { Isolation } from "../sandbox/sandbox.ts";
import { encodeFrame, frameType } from "../wire/frames.ts";
import { requireRunning } from "./access.ts";
import type { VerbOutput } from "./control.ts";
import { callSupervisor } from "./control-client.ts";

/** Frames of input are no larger, so that the guest's reader sees it come */
const stdinChunkBytes = 64 * 1024;

export interface WorkspaceExecRequest {
  readonly workspaceId: string;
  /** Program and arguments, or text for the guest's shell */
  readonly command: readonly string[] | string;
  readonly timeoutMs: number;
}

export interface WorkspaceExecOptions {
  readonly stdin?: Readable | undefined;
  onStdout(chunk: Buffer): Promise<void> | void;
  onStderr(chunk: Buffer): Promise<void> | void;
  readonly signal?: AbortSignal | undefined;
}

export type WorkspaceExecOutcome = VerbOutput<"exec"> & {
  readonly command: readonly string[];
  readonly isolation: Isolation | null;
};

/** Runs a command in a workspace. When the caller gives up, or dies, the command is killed; the workspace's journal has it all the same. */
export async function execInWorkspace(
  context: SandboxContext,
  { workspaceId, command, timeoutMs }: WorkspaceExecRequest,
  { stdin, onStdout, onStderr, signal }: WorkspaceExecOptions,
): Promise<WorkspaceExecOutcome> {
  const { socket, record } = await requireRunning(context, workspaceId, signal);
  const what = typeof command === "string" ? { shell: command } : { argv: [...command] };
  const frames = callSupervisor(
    socket,
    "exec",
    { ...what, timeoutMs: Math.ceil(timeoutMs), stdin: stdin !== undefined },
    { signal, body: stdin && inputFrames(stdin) },
  );
  try {
    for (;;) {
      const next = await frames.next();
      if (next.done) {
        const words = typeof command === "string" ? [command] : command;
        return { ...next.value, command: words, isolation: record.isolation };
      }
      const { type, payload } = next.value;
      if (type === frameType.stdout) await unlessCancelled(onStdout(payload), signal);
      if (type === frameType.stderr) await unlessCancelled(onStderr(payload), signal);
    }
  } finally {
    // Somebody who can take no more output ends the command.
    socket.destroy();
  }
}

/** Waits for whoever takes the output, who may never do so. */
async function unlessCancelled(taken: Promise<void> | void, signal: AbortSignal | undefined): Promise<void> {
  if (taken === undefined) return;
  if (!signal) return taken;
  let onAbort: () => void = () => {};
  const cancelled = new Promise<never>((_, reject) => {
    onAbort = () => reject(new PyroError("cancelled", "the operation was cancelled"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    await Promise.race([taken, cancelled]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function* inputFrames(stdin: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of stdin) {
    const bytes = chunk as Buffer;
    for (let start = 0; start < bytes.length; start += stdinChunkBytes) {
      yield encodeFrame(frameType.stdin, bytes.subarray(start, start + stdinChunkBytes));
    }
  }
  yield encodeFrame(frameType.stdinEnd, Buffer.alloc(0));
}
