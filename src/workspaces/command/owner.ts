import { withDeadline } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { workspacePath } from "../../core/workspace-path.ts";
import type { CommandEnd, ExecEnding, ExecSpec } from "../../guest/messages.ts";
import { syncFolder } from "../../host/durable.ts";
import { fileError } from "../../host/files.ts";
import { exitStatus, nothingKnown } from "../../machines/exit-status.ts";
import { complain } from "../control/complain.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import type { VerbInput, VerbOutput } from "../control/protocol.ts";
import { type Call, type OwnedVerb, owned } from "../control/server.ts";
import { type Session, untilOnFile } from "../control/session.ts";
import type { LineOf } from "../record/journal.ts";
import { inWords } from "../record/kind.ts";
import { lastCommandOf } from "../record/record.ts";
import { removeWorkspace } from "../record/store.ts";
import { Attachment } from "./attachment.ts";
import { OutputKeeper, type OutputStream } from "./kept-output.ts";
import { RedactedOutput } from "./redacted-output.ts";
import { commandVerbs } from "./verbs.ts";

type ExecInput = VerbInput<typeof commandVerbs.exec>;
type ExecOutput = VerbOutput<typeof commandVerbs.exec>;

export function commandOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(commandVerbs, {
    exec: (input, call) => execCommand(workspace, input, call),
    execOnce: onlyOnce(workspace),
    async awaitCommand(input, call) {
      await awaitCommand(workspace, input, call);
      return {};
    },
  });
}

/**
 * Runs one command, and then removes the machine, also if the command failed or its caller has
 * gone. A second call would lose its machine in the middle.
 */
function onlyOnce(workspace: OwnedWorkspace) {
  let isTaken = false;
  return async (input: ExecInput, call: Call): Promise<ExecOutput> => {
    const session = await workspace.session();
    if (isTaken || session.lastSequence > 0) {
      const { workspaceId } = workspace.place;
      throw new PyroError("failed_precondition", `cannot run a second command in ${inWords(workspaceId)}`, {
        hint: "Create another machine for it.",
      });
    }
    isTaken = true;
    try {
      return await execCommand(workspace, input, call);
    } finally {
      await removeWith(workspace, "it has run its command");
    }
  };
}

/** Removes a machine even if its end is under way. What is left, the next look removes. */
async function removeWith(workspace: OwnedWorkspace, reason: string): Promise<void> {
  try {
    await workspace.delete(reason).catch(async (error: unknown) => {
      if (!workspace.isOver) throw error;
      await removeWorkspace(workspace.context.layout.workspacesDir, workspace.place);
    });
  } catch (error) {
    complain("cannot remove the machine", error);
  }
}

/**
 * Runs a command and records that it began, what it printed and how it ended, even if its caller
 * has gone. Before the caller is told of the end, the end is on file and what the command wrote is
 * on the guest's disks. A caller that asked to be detached earlier is told that the command still
 * runs.
 */
async function execCommand(workspace: OwnedWorkspace, input: ExecInput, call: Call): Promise<ExecOutput> {
  const env = { ...input.env, ...(await workspace.secrets.variables(input.secretEnv, input.env)) };
  const session = await workspace.session();
  const sequence = ++session.lastSequence;
  return new Promise((resolve, reject) => {
    const work = runAndRecord({ workspace, session, sequence }, { ...input, env }, { call, onDetached: resolve });
    const recorded = work.then(resolve, reject).finally(() => session.running.delete(sequence));
    session.running.set(sequence, recorded);
  });
}

/** Waits for the end of a command up to a limit. The command does not depend on the wait. */
async function awaitCommand(
  workspace: OwnedWorkspace,
  { sequence, timeoutMs }: VerbInput<typeof commandVerbs.awaitCommand>,
  { signal }: Call,
): Promise<void> {
  const ended = workspace.runningCommand(sequence);
  if (!ended) return;
  await withDeadline(ended, { timeoutMs, waitingFor: "the command to end", signal }).catch((error: unknown) => {
    if (PyroError.from(error).code !== "timeout") throw error;
  });
}

interface Begun {
  readonly workspace: OwnedWorkspace;
  readonly session: Session;
  readonly sequence: number;
}

interface Caller {
  readonly call: Call;
  /** Answer, instead of the end, if the command continues without its caller */
  onDetached(state: ExecOutput): void;
}

async function runAndRecord(
  { workspace, session, sequence }: Begun,
  { argv, shell, cwd = workspacePath, env, timeoutMs, stdin, detachAfterMs }: ExecInput,
  { call, onDetached }: Caller,
): Promise<ExecOutput> {
  const { secrets } = workspace;
  const command = argv ?? [shell ?? ""];
  const begun = { sequence, ...secrets.redacted({ command, cwd }) };
  await recordStart(workspace, session, begun);
  const isAsGiven = begun.command.every((word, index) => word === command[index]);
  const about = { sequence, cwd: begun.cwd, ...(isAsGiven ? {} : { command: begun.command }) };
  const attachment = new Attachment(call);
  const output = (stream: OutputStream) =>
    new RedactedOutput(stream, new OutputKeeper(session.historyDir, sequence, stream), secrets.stream(), (frame) =>
      attachment.send(frame),
    );
  const outputs: Outputs = { stdout: output("stdout"), stderr: output("stderr") };
  const startedMs = performance.now();
  // A command that reads from its caller would lose the rest of its input.
  if (detachAfterMs !== undefined && !stdin) {
    attachment.detachAfter(detachAfterMs, () => {
      const durationMs = performance.now() - startedMs;
      const network = secrets.redactedUse(workspace.egress.useOf(labelOf(sequence)));
      const state = { ...about, running: true, ...nothingKnown, durationMs, ...amounts(outputs), network };
      // Its caller is told that it runs, so the history must know that it has begun.
      session.journal.sync().then(
        () => onDetached(state),
        (error: unknown) => complain(`cannot record that command ${sequence} has begun`, error),
      );
    });
  }
  const what = argv ? { argv } : { shell: shell ?? "" };
  const spec: ExecSpec = {
    ...what,
    timeoutMs,
    stdin,
    sync: true,
    cwd,
    env: { ...workspace.variables, ...env },
    label: labelOf(sequence),
  };
  const outcome = await session.machine
    .exec(spec, {
      input: stdin ? call.body : undefined,
      onStdout: (chunk, frame) => outputs.stdout.take(chunk, frame),
      onStderr: (chunk, frame) => outputs.stderr.take(chunk, frame),
      signal: attachment.signal,
    })
    .then(
      (ending) =>
        isCutOff(session, ending) ? unknownEnd(session, undefined, ending.durationMs) : { end: exitStatus(ending) },
      (error: unknown) => unknownEnd(session, error, performance.now() - startedMs),
    );
  await Promise.all([outputs.stdout.end(), outputs.stderr.end()]);
  attachment.end();
  const network = secrets.redactedUse(workspace.egress.takeUseOf(labelOf(sequence)));
  const end = { ...secrets.redacted(outcome.end), ...amounts(outputs), network };
  await recordEnd(workspace, session, { sequence, ...end }, outputs).catch((error: unknown) => {
    complain(`cannot record the end of command ${sequence}`, error);
    throw outcome.failure ?? unrecorded(end, error);
  });
  if (outcome.failure) {
    await untilOnFile(session);
    throw outcome.failure;
  }
  return { ...about, running: false, ...end };
}

/** Name of a command in the ledger of the network */
function labelOf(sequence: number): string {
  return `command ${sequence}`;
}

/** Records the start. A command that cannot be recorded must not run. */
async function recordStart(
  workspace: OwnedWorkspace,
  session: Session,
  about: LineOf<"command">["command"],
): Promise<void> {
  const { sequence } = about;
  const lastCommand = lastCommandOf({ ...about, end: undefined });
  workspace.note({ commandCount: sequence, lastCommand });
  const lastActivityAt = await session.journal.append({ event: "command", command: about }).catch((error: unknown) => {
    throw fileError("cannot run a command: its start cannot be recorded", error);
  });
  workspace.note({ lastActivityAt });
}

/** Records the end, and makes it and the command's output survive a power cut. */
async function recordEnd(
  workspace: OwnedWorkspace,
  session: Session,
  end: LineOf<"command_end">["end"],
  { stdout, stderr }: Outputs,
): Promise<void> {
  const hasOutput = stdout.kept.length + stderr.kept.length > 0;
  const [lastActivityAt] = await Promise.all([
    session.journal.commit({ event: "command_end", end }),
    stdout.kept.commit(),
    stderr.kept.commit(),
  ]);
  if (hasOutput) await syncFolder(session.historyDir);
  const { sequence, exitCode, durationMs } = end;
  // After a reset the record belongs to another history.
  if (session.endReason !== undefined) return;
  const { lastCommand } = workspace.record;
  workspace.note({
    lastActivityAt,
    ...(lastCommand?.sequence === sequence ? { lastCommand: { ...lastCommand, exitCode, durationMs } } : {}),
  });
}

/** The command has ended, but a crash of the host could take that knowledge away. */
function unrecorded({ exitCode, durationMs }: CommandEnd, error: unknown): PyroError {
  const cause = fileError("cannot record that with its output", error);
  const how = exitCode === null ? "" : ` with exit code ${exitCode}`;
  return new PyroError(cause.code, `the command has ended${how}, but pyro ${cause.message}`, {
    hint: cause.advice,
    details: { exitCode, durationMs },
    cause: error,
  });
}

type Outputs = Readonly<Record<OutputStream, RedactedOutput>>;

function amounts({ stdout, stderr }: Outputs) {
  const redactedCount = stdout.redactedCount + stderr.redactedCount;
  return { stdoutBytes: stdout.kept.length, stderrBytes: stderr.kept.length, redactedCount };
}

type Outcome = { readonly end: CommandEnd; readonly failure?: PyroError };

/** A machine that is switched off kills what runs in it. */
function isCutOff({ endReason }: Session, { signal, timedOut }: ExecEnding): boolean {
  return endReason !== undefined && signal === "SIGKILL" && !timedOut;
}

/** The end of a command whose end the guest has not reported. */
function unknownEnd(session: Session, error: unknown, durationMs: number): Outcome {
  const thrown = PyroError.from(error);
  const failure =
    session.endReason === undefined
      ? thrown
      : new PyroError("outcome_unknown", `the command was cut off: ${session.endReason}`, { cause: error });
  const how = { timedOut: failure.code === "timeout", cancelled: failure.code === "cancelled" };
  return { failure, end: { ...nothingKnown, ...how, unknownReason: failure.message, durationMs } };
}
