import type { Readable } from "node:stream";
import { unlessCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { encodeFrame, frameType } from "../../guest/frames.ts";
import type { EngineContext } from "../../machines/context.ts";
import { commandSpec, commandWords, type GuestCommand } from "../../machines/guest-command.ts";
import type { Isolation } from "../../machines/machine.ts";
import { requireRunning } from "../control/access.ts";
import { callSupervisor } from "../control/client.ts";
import type { VerbOutput } from "../control/protocol.ts";

/** Frames of input are no larger, so that the guest's reader sees it come */
const stdinChunkBytes = 64 * 1024;
/** So long before a command would be detached, its supervisor learns in time of a call that is cancelled */
const lastMomentMs = 1_000;

export interface WorkspaceExecRequest {
  readonly workspaceId: string;
  readonly command: GuestCommand;
  readonly timeoutMs: number;
  /** After this time the command runs on without us, unless it is given input; default: never */
  readonly detachAfterMs?: number | undefined;
}

export interface WorkspaceExecOptions {
  readonly stdin?: Readable | undefined;
  onStdout(chunk: Buffer): Promise<void> | void;
  onStderr(chunk: Buffer): Promise<void> | void;
  readonly signal?: AbortSignal | undefined;
}

/** How a command ended; or, of one that runs on without its caller, how far it has come. */
export type WorkspaceExecOutcome = VerbOutput<"exec"> & {
  readonly command: readonly string[];
  readonly isolation: Isolation | null;
};

/**
 * Runs a command in a workspace. When the caller gives up, or dies, the command is killed, unless it has been detached by then; the workspace's
 * journal has it all the same.
 */
export async function execInWorkspace(
  context: EngineContext,
  { workspaceId, command, timeoutMs, detachAfterMs }: WorkspaceExecRequest,
  { stdin, onStdout, onStderr, signal }: WorkspaceExecOptions,
): Promise<WorkspaceExecOutcome> {
  const { socket, record } = await requireRunning(context, workspaceId, signal);
  const startedMs = performance.now();
  const limits = { timeoutMs: Math.ceil(timeoutMs), ...(detachAfterMs === undefined ? {} : { detachAfterMs }) };
  const frames = callSupervisor(
    socket,
    "exec",
    { ...commandSpec(command), ...limits, stdin: stdin !== undefined },
    { signal, body: stdin && inputFrames(stdin) },
  );
  try {
    for (;;) {
      const next = await frames.next();
      if (next.done) return { ...next.value, command: commandWords(command), isolation: record.isolation };
      const { type, payload } = next.value;
      if (type === frameType.stdout) await taken(onStdout(payload), signal);
      if (type === frameType.stderr) await taken(onStderr(payload), signal);
    }
  } catch (error) {
    const isLate = performance.now() - startedMs > (detachAfterMs ?? Number.POSITIVE_INFINITY) - lastMomentMs;
    if (isLate && !stdin && PyroError.from(error).code === "cancelled") throw mayRunOn(error);
    throw error;
  } finally {
    // Somebody who can take no more output ends the command.
    socket.destroy();
  }
}

/** Waits for whoever takes the output, who may never do so. */
async function taken(work: Promise<void> | void, signal: AbortSignal | undefined): Promise<void> {
  if (work !== undefined) await unlessCancelled(work, signal);
}

/** It may have been detached while we were cancelled. */
function mayRunOn(cause: unknown): PyroError {
  return new PyroError(
    "outcome_unknown",
    "the operation was cancelled just when the command was left running, and it may run on",
    {
      hint: "Look at it with `pyro workspace logs`.",
      cause,
    },
  );
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
