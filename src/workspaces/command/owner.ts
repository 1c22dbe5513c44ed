import { Readable } from "node:stream";
import { withDeadline } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { type Frame, frameType } from "../../guest/frames.ts";
import type { ExecEnding, ExecSpec } from "../../guest/messages.ts";
import { exitStatus } from "../../machines/exit-status.ts";
import { workspacePath } from "../../machines/shape.ts";
import { complain } from "../control/complain.ts";
import type { VerbInput, VerbOutput } from "../control/protocol.ts";
import type { Call } from "../control/server.ts";
import type { Session, Tenure } from "../control/session.ts";
import type { CommandEnd } from "../record/journal.ts";
import { shortCommand } from "../record/record.ts";
import { Attachment } from "./attachment.ts";
import { OutputKeeper, type OutputStream } from "./kept-output.ts";

/**
 * Runs a command and writes down that it began, what it printed and how it ended, whoever is there to hear it. The end is on file, and
 * what it wrote on the guest's disks, before the caller is told; a caller that is to be detached by then is told that it still runs.
 */
export async function execCommand(session: Session, input: VerbInput<"exec">, call: Call): Promise<VerbOutput<"exec">> {
  const tenure = await session.tenure();
  const sequence = ++tenure.lastSequence;
  return new Promise((resolve, reject) => {
    const work = runAndRecord({ session, tenure, sequence }, input, { call, onDetached: resolve });
    const recorded = work.then(resolve, reject).finally(() => tenure.running.delete(sequence));
    tenure.running.set(sequence, recorded);
  });
}

/** Waits for the end of a command, at most so long. Whoever waits has no part in it, and what does not run has ended. */
export async function awaitCommand(
  session: Session,
  { sequence, timeoutMs }: VerbInput<"awaitCommand">,
  { signal }: Call,
): Promise<void> {
  const ended = session.runningCommand(sequence);
  if (!ended) return;
  await withDeadline(ended, { timeoutMs, waitingFor: "the command to end", signal }).catch((error: unknown) => {
    if (PyroError.from(error).code !== "timeout") throw error;
  });
}

interface Begun {
  readonly session: Session;
  readonly tenure: Tenure;
  readonly sequence: number;
}

interface Caller {
  readonly call: Call;
  /** Told, instead of the end, when the command goes on without its caller */
  onDetached(state: VerbOutput<"exec">): void;
}

async function runAndRecord(
  { session, tenure, sequence }: Begun,
  { argv, shell, timeoutMs, stdin, detachAfterMs }: VerbInput<"exec">,
  { call, onDetached }: Caller,
): Promise<VerbOutput<"exec">> {
  const command = argv ?? [shell ?? ""];
  await recordStart(session, tenure, sequence, command);
  const outputs = { stdout: keeper(tenure, sequence, "stdout"), stderr: keeper(tenure, sequence, "stderr") };
  const lengths = () => ({ stdoutBytes: outputs.stdout.length, stderrBytes: outputs.stderr.length });
  const attachment = new Attachment(call);
  const forward = (stream: OutputStream, type: number) => async (chunk: Buffer) => {
    await outputs[stream].add(chunk);
    await attachment.send(type, chunk);
  };
  const startedMs = performance.now();
  // A command that reads from its caller would lose the rest of its input.
  if (detachAfterMs !== undefined && !stdin) {
    attachment.detachAfter(detachAfterMs, () => {
      const durationMs = performance.now() - startedMs;
      onDetached({ sequence, cwd: workspacePath, running: true, ...nothingKnown, durationMs, ...lengths() });
    });
  }
  const what = argv ? { argv } : { shell: shell ?? "" };
  const spec: ExecSpec = { ...what, timeoutMs, stdin, sync: true, cwd: workspacePath };
  const outcome = await tenure.machine
    .exec(spec, {
      stdin: stdin ? Readable.from(inputOf(call.frames)) : undefined,
      onStdout: forward("stdout", frameType.stdout),
      onStderr: forward("stderr", frameType.stderr),
      signal: attachment.signal,
    })
    .then(
      (ending) => (isCutOff(tenure, ending) ? unknownEnd(tenure, undefined, ending.durationMs) : endOf(ending)),
      (error: unknown) => unknownEnd(tenure, error, performance.now() - startedMs),
    );
  attachment.end();
  await Promise.all([outputs.stdout.close(), outputs.stderr.close()]);
  const end = { ...outcome.end, ...lengths() };
  await recordEnd(session, tenure, { sequence, ...end }).catch((error: unknown) => {
    // What became of the command is the answer, also where it could not be written down.
    complain(`cannot record the end of command ${sequence}`, error);
  });
  if (outcome.failure) throw outcome.failure;
  return { sequence, cwd: workspacePath, running: false, ...end };
}

/** A command that cannot be written down is not run. */
async function recordStart(session: Session, tenure: Tenure, sequence: number, command: string[]): Promise<void> {
  const about = { sequence, command, cwd: workspacePath };
  const lastCommand = { ...about, command: shortCommand(command), exitCode: null, durationMs: null };
  const lastActivityAt = new Date().toISOString();
  session
    .update({ commandCount: sequence, lastCommand, lastActivityAt }, { isDurable: false })
    .catch((error: unknown) => complain(`cannot record the start of command ${sequence}`, error));
  // This is what counts: whoever finds the workspace without a supervisor makes its record from it.
  await tenure.journal.append({ event: "command", command: about });
}

/** Writes the end down; a reset that came in between has begun another history, which it does not belong to. */
async function recordEnd(session: Session, tenure: Tenure, end: CommandEnd & { sequence: number }): Promise<void> {
  await tenure.journal.append({ event: "command_end", end });
  const { sequence, exitCode, durationMs } = end;
  await session.update(
    ({ lastCommand }) => {
      if (tenure.endReason !== undefined) return {};
      const lastActivityAt = new Date().toISOString();
      if (lastCommand?.sequence !== sequence) return { lastActivityAt };
      return { lastActivityAt, lastCommand: { ...lastCommand, exitCode, durationMs } };
    },
    { isDurable: false },
  );
}

function keeper({ historyDir }: Tenure, sequence: number, stream: OutputStream): OutputKeeper {
  return new OutputKeeper(historyDir, sequence, stream);
}

type Outcome = { readonly end: Omit<CommandEnd, "stdoutBytes" | "stderrBytes">; readonly failure?: PyroError };

/** A machine that is switched off kills what runs in it. */
function isCutOff({ endReason }: Tenure, { signal, timedOut }: ExecEnding): boolean {
  return endReason !== undefined && signal === "SIGKILL" && !timedOut;
}

function endOf(ending: ExecEnding): Outcome {
  const { exitCode, signal, timedOut, oomKilled, startError } = exitStatus(ending);
  const { cancelled, durationMs, syncError = null } = ending;
  const how = { exitCode, signal, timedOut, cancelled, oomKilled, startError, syncError };
  return { end: { ...how, unknownReason: null, durationMs } };
}

/** It began, and nobody saw it end. */
function unknownEnd(tenure: Tenure, error: unknown, durationMs: number): Outcome {
  const thrown = PyroError.from(error);
  const failure =
    tenure.endReason === undefined
      ? thrown
      : new PyroError("outcome_unknown", `the command was cut off: ${tenure.endReason}`, { cause: error });
  const how = { timedOut: failure.code === "timeout", cancelled: failure.code === "cancelled" };
  return { failure, end: { ...nothingKnown, ...how, unknownReason: failure.message, durationMs } };
}

/** Of how a command ended */
const nothingKnown = {
  ...{ exitCode: null, signal: null, timedOut: false, cancelled: false, oomKilled: false },
  ...{ startError: null, syncError: null, unknownReason: null },
};

async function* inputOf(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  for await (const { type, payload } of frames) {
    if (type === frameType.stdinEnd) return;
    if (type === frameType.stdin) yield payload;
  }
}
