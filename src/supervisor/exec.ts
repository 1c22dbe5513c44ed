import { Readable } from "node:stream";
import { PyroError } from "../core/errors.ts";
import { exitStatus } from "../sandbox/exit-status.ts";
import { workspacePath } from "../sandbox/machine.ts";
import { type Frame, frameType } from "../wire/frames.ts";
import type { ExecEnding, ExecSpec } from "../wire/messages.ts";
import type { VerbInput, VerbOutput } from "../workspaces/control.ts";
import type { CommandEnd } from "../workspaces/journal.ts";
import { OutputKeeper, type OutputStream } from "../workspaces/kept-output.ts";
import { shortCommand } from "../workspaces/record.ts";
import { complain } from "./complain.ts";
import type { Call } from "./control-server.ts";
import type { Session, Tenure } from "./session.ts";

/**
 * Runs a command and writes down that it began, what it printed and how it ended, whoever is there to hear it. The end is on file, and
 * what it wrote on the guest's disks, before the caller is told.
 */
export async function execCommand(session: Session, input: VerbInput<"exec">, call: Call): Promise<VerbOutput<"exec">> {
  const tenure = await session.tenure();
  const work = runAndRecord(session, tenure, input, call);
  const settled = work.catch(() => {
    // told to the caller
  });
  tenure.running.add(settled);
  try {
    return await work;
  } finally {
    tenure.running.delete(settled);
  }
}

async function runAndRecord(
  session: Session,
  tenure: Tenure,
  { argv, shell, timeoutMs, stdin }: VerbInput<"exec">,
  call: Call,
): Promise<VerbOutput<"exec">> {
  const sequence = ++tenure.lastSequence;
  const command = argv ?? [shell ?? ""];
  await recordStart(session, tenure, sequence, command);
  const outputs = { stdout: keeper(tenure, sequence, "stdout"), stderr: keeper(tenure, sequence, "stderr") };
  const forward = (stream: OutputStream, type: number) => async (chunk: Buffer) => {
    await outputs[stream].add(chunk);
    await call.send(type, chunk);
  };
  const startedMs = performance.now();
  const what = argv ? { argv } : { shell: shell ?? "" };
  const spec: ExecSpec = { ...what, timeoutMs, stdin, sync: true, cwd: workspacePath };
  const outcome = await tenure.machine
    .exec(spec, {
      stdin: stdin ? Readable.from(inputOf(call.frames)) : undefined,
      onStdout: forward("stdout", frameType.stdout),
      onStderr: forward("stderr", frameType.stderr),
      signal: call.signal,
    })
    .then(
      (ending) => (isCutOff(tenure, ending) ? unknownEnd(tenure, undefined, ending.durationMs) : endOf(ending)),
      (error: unknown) => unknownEnd(tenure, error, performance.now() - startedMs),
    );
  await Promise.all([outputs.stdout.close(), outputs.stderr.close()]);
  const end = { ...outcome.end, stdoutBytes: outputs.stdout.length, stderrBytes: outputs.stderr.length };
  await recordEnd(session, tenure, { sequence, ...end }).catch((error: unknown) => {
    // What became of the command is the answer, also where it could not be written down.
    complain(`cannot record the end of command ${sequence}`, error);
  });
  if (outcome.failure) throw outcome.failure;
  return { sequence, cwd: workspacePath, ...end };
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
  const cancelled = failure.code === "cancelled";
  const unknown = { exitCode: null, signal: null, timedOut: failure.code === "timeout", cancelled, oomKilled: false };
  const end = { ...unknown, startError: null, syncError: null, unknownReason: failure.message, durationMs };
  return { failure, end };
}

async function* inputOf(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  for await (const { type, payload } of frames) {
    if (type === frameType.stdinEnd) return;
    if (type === frameType.stdin) yield payload;
  }
}
