import { posix } from "node:path";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { workspacePath } from "../../core/workspace-path.ts";
import { terminalSizeSchema } from "../../guest/messages.ts";
import { commandCwd, commandEnv, modelCommandEnv } from "../../operations/fields.ts";
import { defineOperation, type OperationContext } from "../../operations/operation.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { modelSecretEnv, secretEnv } from "../secret/fields.ts";
import { closeShell, listShells, openShell, readShell, resizeShell, signalShell, writeShell } from "./caller.ts";
import {
  readFacts,
  readText,
  type ShellView,
  shellFacts,
  shellReadView,
  shellView,
  shortenRead,
} from "./shell-view.ts";
import { foregroundSchema, type Shell, shellSignals, type Wait, waitReasons } from "./verbs.ts";

export const shellId = z.string().min(1).max(64).describe("The shell's id");

const cols = terminalSizeSchema.shape.cols.describe("Columns of its terminal");
const rows = terminalSizeSchema.shape.rows.describe("Rows of its terminal");

/** How long output must have been quiet, unless the reader says otherwise */
const usualIdleMs = 300;
/** How long a reader waits, unless it says otherwise */
const usualWaitSeconds = 30;

export const shellOpen = defineOperation({
  name: "workspace.shell.open",
  summary: "Open a shell at a terminal in a workspace; it stays open between calls",
  effect: "write",
  input: z.object({
    workspaceId,
    cwd: commandCwd.describe("Directory to begin in, absolute or below /workspace"),
    cols: cols.default(120),
    rows: rows.default(30),
    env: commandEnv,
    secretEnv,
  }),
  output: shellView,
  cli: {
    positionals: ["workspaceId"],
    bareKeys: ["secretEnv"],
    examples: [
      "workspace shell open 0a1b2c3d4e5f",
      "workspace shell open 0a1b2c3d4e5f --cwd src --cols 200 --rows 50 --id-only",
    ],
    notes: (output) => [`[workspace-shell-open] ${shellFacts(output)}`],
    part: { flag: "id-only", description: "Print only the shell's id", text: ({ shellId: id }) => `${id}\n` },
  },
  mcp: {
    name: "shell_open",
    description:
      "Open a shell at a terminal, for programs that ask questions, REPLs, editors and debuggers; it keeps its directory and variables. Use workspace_exec for commands that only run. Write to it with shell_write, then read with shell_read, which says what it waits for.",
    input: { env: modelCommandEnv, secretEnv: modelSecretEnv },
  },
  async handle(context, { workspaceId: id, cwd, ...input }) {
    const shell = await openShell(callOf(context, id), { cwd: posix.resolve(workspacePath, cwd), ...input });
    return viewOf(id, shell);
  },
});

export const shellList = defineOperation({
  name: "workspace.shell.list",
  summary: "List the shells of a workspace",
  effect: "read",
  input: z.object({ workspaceId }),
  output: z.object({ workspaceId: z.string(), shells: z.array(shellView) }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace shell list 0a1b2c3d4e5f"],
    text: ({ shells }) =>
      shells.length === 0
        ? "No shells.\n"
        : shells
            .map(({ shellId: id, state, cwd, startedAt }) => `- ${id} [${state}] cwd=${cwd} since ${startedAt}\n`)
            .join(""),
  },
  async handle(context, { workspaceId: id }) {
    const { shells } = await listShells(callOf(context, id));
    return { workspaceId: id, shells: shells.map((shell) => viewOf(id, shell)) };
  },
});

export const shellRead = defineOperation({
  name: "workspace.shell.read",
  summary: "Read what a shell has printed, and what it waits for",
  effect: "read",
  input: z.object({
    workspaceId,
    shellId,
    cursor: z.number().int().min(0).default(0).describe("Where to begin: the next_cursor of an earlier read"),
    maxChars: z.number().int().min(1).max(1_000_000).default(65_536).describe("How much to show at most"),
    plain: z
      .boolean()
      .default(false)
      .describe("As a person sees it, without control characters: lines that left the screen, then the screen"),
    waitFor: z
      .enum(waitReasons)
      .optional()
      .describe("Wait first: until it is quiet (idle), or waits for a command (prompt) or for any input (input)"),
    waitForIdleMs: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe(`Wait until nothing has been printed for so long (with --wait-for idle: ${usualIdleMs})`),
    timeoutSeconds: z.number().min(0).max(3_600).default(usualWaitSeconds).describe("How long to wait at most"),
  }),
  output: shellReadView,
  cli: {
    positionals: ["workspaceId", "shellId"],
    examples: [
      "workspace shell read 0a1b2c3d4e5f 4f2a91 --plain --wait-for prompt",
      "workspace shell read 0a1b2c3d4e5f 4f2a91 --cursor 2048 --plain --wait-for-idle-ms 300",
    ],
    raw: ({ output }) => (output === "" || output.endsWith("\n") ? output : `${output}\n`),
    notes: (output) => [`[workspace-shell-read] ${readFacts(output)}`],
  },
  mcp: {
    name: "shell_read",
    description:
      "Read what a shell has printed since cursor (use plain), and what the program at its keyboard waits for: foreground.state. With wait_for=prompt it waits until a command has ended or asks for something, with wait_for=idle until it is quiet.",
    input: {
      waitFor: z.enum(waitReasons).optional().describe("What to wait for before it is read"),
      waitForIdleMs: z.number().int().min(1).max(10_000).optional().describe("Quiet time to wait for, such as 300"),
    },
    shortened: shortenRead,
    text: readText,
  },
  async handle(context, { workspaceId: id, shellId: shell, cursor, maxChars, plain, ...input }) {
    const wait = waitOf(context, input);
    const request = { shellId: shell, cursor, maxChars: mostChars(context, { maxChars, plain }), plain, wait };
    const { shell: seen, ...read } = await readShell(callOf(context, id), request);
    return { ...viewOf(id, seen), ...read, plain, waitForIdleMs: wait?.for === "idle" ? wait.idleMs : null };
  },
});

export const shellWrite = defineOperation({
  name: "workspace.shell.write",
  summary: "Type text into a shell",
  effect: "write",
  input: z.object({
    workspaceId,
    shellId,
    input: z.string().max(65_536).describe("What to type"),
    appendNewline: z.boolean().default(true).describe("Do not press Enter after it"),
  }),
  output: shellView.extend({
    cursor: z.number().describe("The cursor for a read of what follows"),
    bytesWritten: z.number(),
  }),
  cli: {
    positionals: ["workspaceId", "shellId"],
    flagNames: { appendNewline: "no-append-newline" },
    examples: [
      "workspace shell write 0a1b2c3d4e5f 4f2a91 --input 'make test'",
      "workspace shell write 0a1b2c3d4e5f 4f2a91 --input q --no-append-newline",
    ],
    notes: (output) => [
      `[workspace-shell-write] ${shellFacts(output)} cursor=${output.cursor} bytes_written=${output.bytesWritten}`,
    ],
  },
  mcp: {
    name: "shell_write",
    description:
      "Type into a shell: a command, an answer, or keys as control characters (\\u0003 Ctrl-C, \\u0004 Ctrl-D, \\u001b Escape, \\u001b[A Up, \\u001b[B Down, \\t Tab), then with append_newline=false. Read with shell_read afterwards.",
    input: { appendNewline: z.boolean().default(true).describe("Whether to press Enter after it") },
  },
  async handle(context, { workspaceId: id, shellId: shell, input, appendNewline }) {
    const text = appendNewline ? `${input}\n` : input;
    const { shell: seen, ...written } = await writeShell(callOf(context, id), { shellId: shell, input: text });
    return { ...viewOf(id, seen), ...written };
  },
});

export const shellSignal = defineOperation({
  name: "workspace.shell.signal",
  summary: "Send a signal to the program that has the keyboard of a shell",
  effect: "write",
  input: z.object({
    workspaceId,
    shellId,
    signal: z.enum(shellSignals).default("INT").describe("Its name"),
  }),
  output: shellView.extend({
    signalSent: z.enum(shellSignals),
    processGroup: z.number().describe("The process group that got it"),
    foreground: foregroundSchema.nullable().describe("The program that had the keyboard"),
  }),
  cli: {
    positionals: ["workspaceId", "shellId", "signal"],
    examples: ["workspace shell signal 0a1b2c3d4e5f 4f2a91", "workspace shell signal 0a1b2c3d4e5f 4f2a91 TERM"],
    notes: (output) => [
      `[workspace-shell-signal] ${shellFacts(output)} signal=${output.signalSent} process_group=${output.processGroup}`,
    ],
  },
  mcp: { name: "shell_signal" },
  async handle(context, { workspaceId: id, shellId: shell, signal }) {
    const { shell: seen, group, foreground } = await signalShell(callOf(context, id), { shellId: shell, signal });
    return { ...viewOf(id, seen), signalSent: signal, processGroup: group, foreground };
  },
});

export const shellResize = defineOperation({
  name: "workspace.shell.resize",
  summary: "Change the size of a shell's terminal",
  effect: "write",
  input: z.object({ workspaceId, shellId, cols, rows }),
  output: shellView,
  cli: {
    positionals: ["workspaceId", "shellId"],
    examples: ["workspace shell resize 0a1b2c3d4e5f 4f2a91 --cols 200 --rows 50"],
    notes: (output) => [`[workspace-shell-resize] ${shellFacts(output)}`],
  },
  async handle(context, { workspaceId: id, shellId: shell, ...size }) {
    return viewOf(id, await resizeShell(callOf(context, id), { shellId: shell, ...size }));
  },
});

export const shellClose = defineOperation({
  name: "workspace.shell.close",
  summary: "Close a shell: it and what runs in it get SIGHUP and, after two seconds, SIGKILL",
  effect: "destroy",
  input: z.object({ workspaceId, shellId }),
  output: shellView.extend({ closed: z.literal(true) }),
  cli: {
    positionals: ["workspaceId", "shellId"],
    examples: ["workspace shell close 0a1b2c3d4e5f 4f2a91"],
    notes: (output) => [`[workspace-shell-close] ${shellFacts(output)}`],
  },
  mcp: { name: "shell_close" },
  async handle(context, { workspaceId: id, shellId: shell }) {
    return { ...viewOf(id, await closeShell(callOf(context, id), shell)), closed: true as const };
  },
});

function callOf({ engine: context, signal }: OperationContext, id: string): WorkspaceCall {
  return { context, workspaceId: id, signal };
}

function viewOf(id: string, shell: Shell): ShellView {
  return { ...shell, workspaceId: id, executionMode: "guest" };
}

/** Raw output has control characters, which take several characters each in JSON. */
function mostChars(
  { keptOutputBytes = Number.POSITIVE_INFINITY }: OperationContext,
  { maxChars, plain }: { readonly maxChars: number; readonly plain: boolean },
): number {
  return Math.min(maxChars, Math.ceil(plain ? keptOutputBytes : keptOutputBytes / 2));
}

interface WaitInput {
  readonly waitFor?: Wait["for"] | undefined;
  readonly waitForIdleMs?: number | undefined;
  readonly timeoutSeconds: number;
}

function waitOf(
  { detachAfterMs = Number.POSITIVE_INFINITY }: OperationContext,
  { waitFor, waitForIdleMs, timeoutSeconds }: WaitInput,
): Wait | null {
  if (waitFor !== undefined && waitFor !== "idle" && waitForIdleMs !== undefined) {
    throw new PyroError("invalid_argument", `cannot wait for ${waitFor} and for a quiet time at once`, {
      hint: "Give one of them.",
    });
  }
  const what = waitFor ?? (waitForIdleMs === undefined ? undefined : "idle");
  if (what === undefined) return null;
  return {
    for: what,
    idleMs: waitForIdleMs ?? usualIdleMs,
    timeoutMs: Math.min(timeoutSeconds * 1000, detachAfterMs),
  };
}
