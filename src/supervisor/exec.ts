import { Readable } from "node:stream";
import { PyroError } from "../core/errors.ts";
import { exitStatus } from "../sandbox/exit-status.ts";
import { type Frame, frameType } from "../wire/frames.ts";
import type { ExecEnding, ExecSpec } from "../wire/messages.ts";
import type { VerbInput, VerbOutput } from "../workspaces/control.ts";
import type { CommandEnd } from "../workspaces/journal.ts";
import { OutputKeeper, type OutputStream } from "../workspaces/kept-output.ts";
import type { Call } from "./control-server.ts";
import type { Session, Tenure } from "./session.ts";

const workspacePath = "/workspace";

/**
 * Runs a command and writes down that it began, what it printed and how it ended, whoever is there to hear it. The end is on file, and
 * what it wrote on the guest's disks, before the caller is told.
 */
export async function execCommand(session: Session, input: VerbInput<"exec">, call: Call): Promise<VerbOutput<"exec">> {
  const tenure = await session.tenure();
  const { argv, shell, timeoutMs } = input;
  const sequence = session.record.commandCount + 1;
  const command = argv ?? [shell ?? ""];
  const about = { sequence, command, cwd: workspacePath };
  const last = { ...about, exitCode: null, durationMs: null };
  const lastActivityAt = new Date().toISOString();
  const counted = session.update({ commandCount: sequence, lastCommand: last, lastActivityAt }, { isDurable: false });
  await tenure.journal.append({ event: "command", command: about });
  await counted;
  const outputs = { stdout: keeper(tenure, sequence, "stdout"), stderr: keeper(tenure, sequence, "stderr") };
  const forward = (stream: OutputStream, type: number) => async (chunk: Buffer) => {
    await outputs[stream].add(chunk);
    await call.send(type, chunk);
  };
  const startedMs = performance.now();
  const spec: ExecSpec = {
    ...(argv ? { argv } : { shell: shell ?? "" }),
    timeoutMs,
    stdin: input.stdin,
    sync: true,
    cwd: workspacePath,
  };
  const outcome = await tenure.machine
    .exec(spec, {
      stdin: input.stdin ? Readable.from(inputOf(call.frames)) : undefined,
      onStdout: forward("stdout", frameType.stdout),
      onStderr: forward("stderr", frameType.stderr),
      signal: call.signal,
    })
    .then(endOf, (error: unknown) => unknownEnd(tenure, error, performance.now() - startedMs));
  await Promise.all([outputs.stdout.close(), outputs.stderr.close()]);
  const end = { ...outcome.end, stdoutBytes: outputs.stdout.length, stderrBytes: outputs.stderr.length };
  await record(session, tenure, { ...about, ...end });
  if (outcome.failure) throw outcome.failure;
  return { ...about, ...end };
}

function keeper({ historyDir }: Tenure, sequence: number, stream: OutputStream): OutputKeeper {
  return new OutputKeeper(historyDir, sequence, stream);
}

/** Writes the end down, unless a reset has cleared the history that it would belong to. */
async function record(session: Session, tenure: Tenure, end: VerbOutput<"exec">): Promise<void> {
  const { command, cwd, ...rest } = end;
  await tenure.journal.append({ event: "command_end", end: rest });
  const { lastCommand } = session.record;
  const isLast = lastCommand?.sequence === end.sequence && tenure.endReason === undefined;
  const { sequence, exitCode, durationMs } = end;
  await session.update(
    {
      lastActivityAt: new Date().toISOString(),
      ...(isLast ? { lastCommand: { sequence, command, cwd, exitCode, durationMs } } : {}),
    },
    { isDurable: false },
  );
}

type Outcome = { readonly end: Omit<CommandEnd, "stdoutBytes" | "stderrBytes">; readonly failure?: PyroError };

function endOf(ending: ExecEnding): Outcome {
  const { exitCode, signal, timedOut, oomKilled, startError } = exitStatus(ending);
  const { cancelled, durationMs } = ending;
  return { end: { exitCode, signal, timedOut, cancelled, oomKilled, startError, unknownReason: null, durationMs } };
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
  return { failure, end: { ...unknown, startError: null, unknownReason: failure.message, durationMs } };
}

async function* inputOf(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  for await (const { type, payload } of frames) {
    if (type === frameType.stdinEnd) return;
    if (type === frameType.stdin) yield payload;
  }
}
