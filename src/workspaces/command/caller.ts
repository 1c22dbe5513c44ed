import type { Readable } from "node:stream";
import { unlessCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { encodeStdin } from "../../guest/exec.ts";
import { framesOf, frameType } from "../../guest/frames.ts";
import type { EngineContext } from "../../machines/context.ts";
import { commandSpec, commandWords, type GuestCommand } from "../../machines/guest-command.ts";
import type { Isolation } from "../../machines/machine.ts";
import { requireRunning } from "../control/access.ts";
import { SupervisorCall } from "../control/client.ts";
import type { VerbOutput } from "../control/protocol.ts";
import { commandVerbs } from "./verbs.ts";

/** A cancellation this long before the command is detached reaches the supervisor in time */
const lastMomentMs = 1_000;

export interface WorkspaceExecRequest {
  readonly workspaceId: string;
  readonly command: GuestCommand;
  /** Absolute, in the guest; default: the workspace's files */
  readonly cwd?: string;
  /** Added to the guest's own variables */
  readonly env?: Record<string, string>;
  /** Variables that get secrets: `{ SECRET: VARIABLE }` */
  readonly secretEnv?: Record<string, string>;
  /** Limit at which the command is killed; default: none */
  readonly timeoutMs?: number | undefined;
  /** After this time a command without input is detached; default: never */
  readonly detachAfterMs?: number | undefined;
  /** Whether the machine is removed with the end of the command */
  readonly isOnly?: boolean;
}

export interface WorkspaceExecOptions {
  readonly stdin?: Readable | undefined;
  onStdout(chunk: Buffer): Promise<void> | void;
  onStderr(chunk: Buffer): Promise<void> | void;
  readonly signal?: AbortSignal | undefined;
}

/** How a command ended or, if it was detached, how far it has come. */
export type WorkspaceExecOutcome = Omit<VerbOutput<typeof commandVerbs.exec>, "command"> & {
  readonly command: readonly string[];
  readonly isolation: Isolation | null;
};

/**
 * Runs a command in a workspace. If the caller gives up or dies, the command is killed, unless it
 * has been detached by then. The workspace's journal has it in any case.
 */
export async function execInWorkspace(
  context: EngineContext,
  { workspaceId, command, timeoutMs = 0, detachAfterMs, isOnly = false, ...settings }: WorkspaceExecRequest,
  { stdin, onStdout, onStderr, signal }: WorkspaceExecOptions,
): Promise<WorkspaceExecOutcome> {
  const { connection, record } = await requireRunning({ context, workspaceId, signal });
  const startedMs = performance.now();
  const limits = { timeoutMs: Math.ceil(timeoutMs), ...(detachAfterMs === undefined ? {} : { detachAfterMs }) };
  const running = new SupervisorCall(
    connection,
    isOnly ? commandVerbs.execOnce : commandVerbs.exec,
    { ...commandSpec(command), ...settings, ...limits, stdin: stdin !== undefined },
    { signal, body: stdin && encodeStdin(stdin) },
  );
  try {
    for await (const { type, payload } of framesOf(running)) {
      if (type === frameType.stdout) await taken(onStdout(payload), signal);
      if (type === frameType.stderr) await taken(onStderr(payload), signal);
    }
    const { command: asKept = commandWords(command), ...outcome } = await running.result();
    return { ...outcome, command: asKept, isolation: record.isolation };
  } catch (error) {
    const isLate = performance.now() - startedMs > (detachAfterMs ?? Number.POSITIVE_INFINITY) - lastMomentMs;
    if (isLate && !stdin && PyroError.from(error).code === "cancelled") throw mayRunOn(error);
    throw error;
  } finally {
    // A reader that takes no more output ends the command.
    connection.close();
  }
}

/** Waits for the reader of the output, which may never take it. */
async function taken(work: Promise<void> | void, signal: AbortSignal | undefined): Promise<void> {
  if (work !== undefined) await unlessCancelled(work, signal);
}

/** The command may have been detached while the call was cancelled. */
function mayRunOn(cause: unknown): PyroError {
  return new PyroError(
    "outcome_unknown",
    "the operation was cancelled just when the command was left running, and it may run on",
    {
      hint: hint`Look at it with ${named("workspace.logs")}.`,
      cause,
    },
  );
}
