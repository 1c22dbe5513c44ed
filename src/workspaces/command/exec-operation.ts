import { posix } from "node:path";
import * as z from "zod";
import { workspacePath } from "../../core/workspace-path.ts";
import { commandEndSchema } from "../../guest/messages.ts";
import { networkUseSchema } from "../../network/use.ts";
import { CollectedOutput, collectedOutputSchema } from "../../operations/collected-output.ts";
import { commandEnding, endingFacts, exitCodeMeaning, guestCommand } from "../../operations/command-fields.ts";
import {
  commandResultChars,
  endingInWords,
  rawOutput,
  shortenCommand,
  streamsText,
} from "../../operations/command-view.ts";
import {
  commandCwd,
  commandEnv,
  executionMode,
  isolation,
  limitSeconds,
  modelCommandEnv,
  shellText,
} from "../../operations/fields.ts";
import { networkLines } from "../../operations/network-view.ts";
import { defineOperation, type OperationContext } from "../../operations/operation.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { begunCommandSchema, recordedEndSchema } from "../record/journal.ts";
import { modelSecretEnv, secretEnv } from "../secret/fields.ts";
import { execInWorkspace, type WorkspaceExecOutcome, type WorkspaceExecRequest } from "./caller.ts";

/** How long a model waits for a command, unless it says otherwise */
const usualWaitSeconds = 120;

const execOutput = z.object({
  workspaceId: z.string(),
  ...begunCommandSchema.shape,
  sequence: begunCommandSchema.shape.sequence.describe("Its number in the workspace's history"),
  running: z
    .boolean()
    .describe(
      "It was left running: what is here is how far it had come; the workspace's logs have the rest and its end",
    ),
  exitCode: commandEndSchema.shape.exitCode.describe(`${exitCodeMeaning}; null while it runs`),
  ...commandEnding.shape,
  syncError: commandEndSchema.shape.syncError,
  ...collectedOutputSchema.shape,
  durationMs: commandEndSchema.shape.durationMs,
  redactedCount: recordedEndSchema.shape.redactedCount.unwrap(),
  network: networkUseSchema,
  advice: z.string().nullable().describe("For a model: how to go on, where that is not plain"),
  executionMode,
  isolation,
});

export const workspaceExec = defineOperation({
  name: "workspace.exec",
  summary: "Run a command in a workspace and wait for it",
  effect: "write",
  input: z.object({
    workspaceId,
    command: guestCommand,
    cwd: commandCwd,
    env: commandEnv,
    secretEnv,
    timeoutSeconds: limitSeconds.optional().describe("Time limit, at which it is killed; default: none"),
    killAfterSeconds: limitSeconds.optional().describe("Time limit, at which it is killed"),
  }),
  output: execOutput,
  cli: {
    positionals: ["workspaceId", "command"],
    // There timeoutSeconds kills.
    without: ["killAfterSeconds"],
    bareKeys: ["secretEnv"],
    examples: [
      "workspace exec 0a1b2c3d4e5f git status",
      "workspace exec 0a1b2c3d4e5f --secret-env API_KEY=OPENAI_API_KEY -- python3 ask.py",
      "workspace exec 0a1b2c3d4e5f --cwd src --env CI=1 --timeout-seconds 600 -- sh -c 'make && make test'",
    ],
    notes: execNotes,
    // The command line waits for every command.
    exitCode: ({ exitCode }) => exitCode ?? 0,
  },
  mcp: {
    description:
      "Run a shell command in a workspace. Each call is a fresh shell in /workspace, so cd and variables do not last: give cwd and env, or join with &&. Output is as a terminal would leave it, of long output both ends. A command that takes longer goes on, and workspace_logs waits for it.",
    input: {
      command: shellText,
      env: modelCommandEnv,
      secretEnv: modelSecretEnv,
      timeoutSeconds: limitSeconds.default(usualWaitSeconds).describe("How long to wait for it; then it goes on"),
    },
    maxChars: commandResultChars,
    shortened: (output, maxChars) =>
      shortenCommand(
        { ...output, advice: adviceOn(output) },
        maxChars,
        (stream, offset) => `workspace_logs with ${rawOutput(output.sequence, stream, offset)} shows them`,
      ),
    text: execText,
  },
  async handle(context, { workspaceId: id, command, cwd, env, secretEnv: wantedSecrets, ...limits }) {
    const { engine, signal } = context;
    const collected = new CollectedOutput(context);
    const request = {
      workspaceId: id,
      command,
      cwd: posix.resolve(workspacePath, cwd),
      env,
      secretEnv: wantedSecrets,
      ...limitsOf(context, limits),
    };
    const outcome = await execInWorkspace(engine, request, { signal, ...collected.streams });
    const said = collected.result(outcome);
    return { workspaceId: id, ...resultOf(outcome), ...said, advice: null, executionMode: "guest" as const };
  },
});

/**
 * At its time limit a command is left running where the surface can leave it, because a model can
 * come back to it. Elsewhere it is killed.
 */
function limitsOf(
  { detachAfterMs }: OperationContext,
  { timeoutSeconds, killAfterSeconds }: { timeoutSeconds?: number | undefined; killAfterSeconds?: number | undefined },
): Pick<WorkspaceExecRequest, "timeoutMs" | "detachAfterMs"> {
  const soonest = (...limitsMs: readonly (number | undefined)[]) => {
    const given = limitsMs.filter((limitMs) => limitMs !== undefined);
    return given.length === 0 ? undefined : Math.min(...given);
  };
  const timeoutMs = timeoutSeconds && timeoutSeconds * 1000;
  const killAfterMs = killAfterSeconds && killAfterSeconds * 1000;
  if (detachAfterMs === undefined) return { timeoutMs: soonest(timeoutMs, killAfterMs) };
  return { timeoutMs: killAfterMs, detachAfterMs: soonest(detachAfterMs, timeoutMs) };
}

function execText(output: z.output<typeof execOutput>): string {
  const { workspaceId: id, sequence, running, durationMs, syncError, advice } = output;
  const command = `command ${sequence} of workspace ${id}`;
  const ending = running ? `still running after ${(durationMs / 1000).toFixed(0)} s` : endingInWords(output);
  const next = advice === null ? "" : `${advice}\n`;
  const unsynced = syncError === null ? "" : `What it wrote may not be on the disk: ${syncError}\n`;
  const sayLeave = (flags: string) => `the user can ${updateWith(id, flags)}`;
  const reached = networkLines(output.network, sayLeave).map((line) => `Network: ${line}\n`);
  return `${ending} (${command})\n${next}${unsynced}${reached.join("")}${streamsText(output)}`;
}

/** What allows something that was denied: a command for flags, or what else there is to do. */
function updateWith(id: string, flags: string): string {
  return flags.startsWith("--") ? `run \`pyro workspace update ${id} ${flags}\`` : flags;
}

function adviceOn({ running, timedOut, oomKilled, startError, sequence }: z.output<typeof execOutput>): string | null {
  if (running) return `It goes on: workspace_logs with sequence=${sequence} and wait_seconds=60 waits for its end.`;
  if (timedOut) return "It was killed. Give a larger kill_after_seconds, or none, if it needs longer.";
  if (startError?.includes("argument list too long"))
    return "Write it to a file with workspace_file_write, and run that.";
  return oomKilled ? "Create a workspace with more mem_mib if it needs more memory." : null;
}

function resultOf({ exitCode, command, ...rest }: WorkspaceExecOutcome) {
  // A command that has ended has an exit code. Only a journal has commands of which the end is
  // unknown.
  return { ...rest, exitCode: rest.running ? null : (exitCode ?? 1), command: [...command] };
}

function execNotes(output: z.output<typeof execOutput>): readonly string[] {
  const { workspaceId: id, sequence, cwd, exitCode, durationMs, startError } = output;
  const facts = [
    `workspace_id=${id} sequence=${sequence} cwd=${cwd} execution_mode=${output.executionMode}`,
    `${output.running ? "running=true" : `exit_code=${exitCode}`} duration_ms=${Math.round(durationMs)}`,
    ...endingFacts(output),
  ];
  return [
    ...(startError === null ? [] : [`[error] ${startError}`]),
    ...(output.syncError === null ? [] : [`[warning] what it wrote may not be on the disk: ${output.syncError}`]),
    ...networkLines(output.network, (flags) => updateWith(id, flags)).map((line) => `[network] ${line}`),
    `[workspace-exec] ${facts.join(" ")}`,
  ];
}
