import * as z from "zod";
import { execInWorkspace, type WorkspaceExecOutcome } from "../workspaces/exec.ts";
import { commandLogs, type LoggedCommand } from "../workspaces/review.ts";
import { CollectedOutput, collectedOutputSchema, decodeOutput } from "./collected-output.ts";
import { executionMode, isolation } from "./fields.ts";
import { defineOperation } from "./operation.ts";
import { workspaceId } from "./workspace-fields.ts";

const exitCodeMeaning =
  "The command's; 128 + N after signal N, 124 after a timeout, 126 or 127 if it could not be started";

const execOutput = z.object({
  workspaceId: z.string(),
  sequence: z.number().describe("Its number in the workspace's history"),
  command: z.array(z.string()),
  cwd: z.string(),
  exitCode: z.number().describe(exitCodeMeaning),
  signal: z.string().nullable().describe("Signal that ended the command"),
  timedOut: z.boolean().describe("Its whole process tree was killed at the time limit"),
  oomKilled: z.boolean().describe("The guest ran out of memory"),
  startError: z.string().nullable().describe("Why the command could not be started"),
  syncError: z.string().nullable().describe("Why what it wrote may not be on the workspace's disk"),
  ...collectedOutputSchema.shape,
  durationMs: z.number(),
  executionMode,
  isolation,
});

export const workspaceExec = defineOperation({
  name: "workspace.exec",
  summary: "Run a command in a workspace and wait for it",
  effect: "write",
  input: z.object({
    workspaceId,
    command: z
      .union([z.array(z.string()).min(1), z.string().min(1)])
      .describe("Program and arguments, passed on unchanged; from TypeScript also one text for the guest's shell"),
    timeoutSeconds: z.number().positive().max(86_400).default(30).describe("Time limit for the command"),
  }),
  output: execOutput,
  cli: {
    positionals: ["workspaceId", "command"],
    examples: [
      "workspace exec 0a1b2c3d4e5f -- git status",
      "workspace exec 0a1b2c3d4e5f --timeout-seconds 600 -- sh -c 'make && make test'",
    ],
    summarize: summarizeExec,
    exitCode: ({ exitCode }) => exitCode,
  },
  async handle({ sandbox, signal, liveStreams }, { workspaceId: id, command, timeoutSeconds }) {
    const collected = new CollectedOutput();
    const request = { workspaceId: id, command, timeoutMs: timeoutSeconds * 1000 };
    const outcome = await execInWorkspace(sandbox, request, { signal, ...(liveStreams ?? collected.streams) });
    return { workspaceId: id, ...endOf(outcome), ...collected.result(), executionMode: "guest" as const };
  },
});

function endOf({ exitCode, command, ...end }: WorkspaceExecOutcome) {
  // It ended: only a journal holds commands of which nobody knows how.
  return { ...end, exitCode: exitCode ?? 1, command: [...command] };
}

function summarizeExec(output: z.output<typeof execOutput>): readonly string[] {
  const { workspaceId: id, sequence, cwd, exitCode, durationMs, startError } = output;
  const facts = [
    `workspace_id=${id} sequence=${sequence} cwd=${cwd} execution_mode=${output.executionMode}`,
    `exit_code=${exitCode} duration_ms=${Math.round(durationMs)}`,
    ...(output.signal === null ? [] : [`signal=${output.signal}`]),
    ...(output.timedOut ? ["timed_out=true"] : []),
    ...(output.oomKilled ? ["oom_killed=true"] : []),
  ];
  return [
    ...(startError === null ? [] : [`[error] ${startError}`]),
    ...(output.syncError === null ? [] : [`[warning] what it wrote may not be on the disk: ${output.syncError}`]),
    `[workspace-exec] ${facts.join(" ")}`,
  ];
}

const logEntry = z.object({
  sequence: z.number(),
  command: z.array(z.string()),
  cwd: z.string(),
  state: z.enum(["running", "ended", "unknown"]).describe("unknown: it began, and nobody saw how it ended"),
  exitCode: z.number().nullable().describe(exitCodeMeaning),
  signal: z.string().nullable(),
  timedOut: z.boolean(),
  cancelled: z.boolean(),
  unknownReason: z.string().nullable().describe("Why it is unknown how it ended"),
  ...collectedOutputSchema.shape,
  truncated: z
    .boolean()
    .describe("The middle of a stream is not kept: of each the first MiB is, and at least the last"),
  durationMs: z.number().nullable(),
  executionMode,
  recordedAt: z.string(),
});

export const workspaceLogs = defineOperation({
  name: "workspace.logs",
  summary: "Show every command since the last reset with its output, in order",
  effect: "read",
  input: z.object({ workspaceId }),
  output: z.object({ workspaceId: z.string(), count: z.number(), entries: z.array(logEntry) }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace logs 0a1b2c3d4e5f", "workspace logs 0a1b2c3d4e5f --json"],
    content: ({ entries }) => (entries.length === 0 ? "No commands yet.\n" : entries.map(renderLogEntry).join("\n")),
  },
  async handle({ sandbox: context }, { workspaceId: id }) {
    const { commands } = await commandLogs({ context, workspaceId: id });
    return { workspaceId: id, count: commands.length, entries: commands.map(logEntryOf) };
  },
});

function logEntryOf({ end, stdout, stderr, startedAt, ...begun }: LoggedCommand): z.input<typeof logEntry> {
  const truncated = stdout.isCut || stderr.isCut;
  const [out, err] = [decodeOutput(stdout.bytes), decodeOutput(stderr.bytes)];
  return {
    ...begun,
    command: [...begun.command],
    state: !end ? "running" : end.unknownReason === null ? "ended" : "unknown",
    exitCode: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    timedOut: end?.timedOut ?? false,
    cancelled: end?.cancelled ?? false,
    unknownReason: end?.unknownReason ?? null,
    ...{ stdout: out.text, stdoutEncoding: out.encoding, stderr: err.text, stderrEncoding: err.encoding, truncated },
    durationMs: end?.durationMs ?? null,
    executionMode: "guest",
    recordedAt: startedAt,
  };
}

function renderLogEntry(entry: z.output<typeof logEntry>): string {
  const { sequence, command, cwd, exitCode, durationMs, state, unknownReason } = entry;
  const outcome = exitCode === null ? (unknownReason ?? state) : `exit_code=${exitCode}`;
  const took = durationMs === null ? "" : ` duration_ms=${Math.round(durationMs)}`;
  const text = (content: string, encoding: string) => {
    // Bytes that are no text, as far as they can be shown.
    const shown = encoding === "base64" ? Buffer.from(content, "base64").toString("utf8") : content;
    return shown === "" || shown.endsWith("\n") ? shown : `${shown}\n`;
  };
  const parts = [
    `[workspace-log] sequence=${sequence} cwd=${cwd} ${outcome}${took}${entry.truncated ? " truncated=true" : ""}\n`,
    `$ ${command.join(" ")}\n`,
    text(entry.stdout, entry.stdoutEncoding),
    ...(entry.stderr === "" ? [] : [`[stderr]\n${text(entry.stderr, entry.stderrEncoding)}`]),
  ];
  return parts.join("");
}
