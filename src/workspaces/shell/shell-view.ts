import * as z from "zod";
import { beginningOf, lastBytes } from "../../core/shorten.ts";
import { executionMode } from "../../operations/fields.ts";
import { readEnds, shellSchema, shellVerbs } from "./verbs.ts";

/** A shell as operations give it. */
export const shellView = shellSchema.extend({
  workspaceId: z.string(),
  exitCode: shellSchema.shape.exitCode.describe("How the shell itself ended; null while it runs"),
  executionMode,
});
export type ShellView = z.output<typeof shellView>;

const readOutput = shellVerbs.readShell.output;

export const shellReadView = shellView.extend({
  output: z.string(),
  cursor: readOutput.shape.cursor.describe("Byte of the shell's output at which this begins"),
  nextCursor: readOutput.shape.nextCursor.describe("The cursor for the next read"),
  oldestCursor: readOutput.shape.oldestCursor.describe("First byte that is still kept"),
  truncated: readOutput.shape.truncated.describe("Not all since the cursor is here: some is not kept, or follows"),
  plain: z.boolean(),
  screen: readOutput.shape.screen,
  foreground: readOutput.shape.foreground.describe("The program that has the keyboard; null if there is none"),
  lastExitCode: readOutput.shape.lastExitCode.describe("Of the last command in the shell, if that is bash"),
  waitForIdleMs: z.number().nullable(),
  waitEnd: z
    .string()
    .nullable()
    .describe(`What ended the wait: ${readEnds.join(", ")}`),
});
export type ShellReadView = z.output<typeof shellReadView>;

export function shellFacts({
  workspaceId,
  shellId,
  state,
  cwd,
  cols,
  rows,
  exitCode,
  executionMode,
}: ShellView): string {
  const facts = [
    `workspace_id=${workspaceId} shell_id=${shellId} state=${state} cwd=${cwd} cols=${cols} rows=${rows}`,
    ...(exitCode === null ? [] : [`exit_code=${exitCode}`]),
    `execution_mode=${executionMode}`,
  ];
  return facts.join(" ");
}

export function readFacts(view: ShellReadView): string {
  const { foreground, lastExitCode, waitForIdleMs, waitEnd } = view;
  const facts = [
    shellFacts(view),
    `cursor=${view.cursor} next_cursor=${view.nextCursor} truncated=${view.truncated} plain=${view.plain}`,
    ...(waitForIdleMs === null ? [] : [`wait_for_idle_ms=${waitForIdleMs}`]),
    ...(waitEnd === null ? [] : [`wait_end=${waitEnd}`]),
    ...(foreground === null ? [] : [`foreground=${foreground.state}`]),
    ...(lastExitCode === null ? [] : [`last_exit_code=${lastExitCode}`]),
  ];
  return facts.join(" ");
}

/** A read as a model sees it: the output, then what the shell waits for. */
export function readText(view: ShellReadView): string {
  const { output, truncated, plain, nextCursor } = view;
  const cut = truncated && plain ? "[… earlier lines are not shown …]\n" : "";
  const more = truncated && !plain ? "[… some is not kept, or follows …]\n" : "";
  const end = output === "" || output.endsWith("\n") ? "" : "\n";
  return `${cut}${output}${end}${more}[${stateInWords(view)}; next_cursor=${nextCursor}]\n`;
}

function stateInWords({ state, exitCode, foreground, lastExitCode, waitEnd }: ShellReadView): string {
  if (state === "exited") return `the shell has ended with exit code ${exitCode}`;
  const waits = {
    prompt: "waits for a command",
    input: "waits for input",
    password: "waits for a password, which is not shown",
    working: "works, and waits for no input",
    unknown: "may wait for input",
  };
  const facts = [
    ...(foreground === null ? [] : [`${foreground.command} (${foreground.pid}) ${waits[foreground.state]}`]),
    ...(lastExitCode === null ? [] : [`the last command ended with exit code ${lastExitCode}`]),
    ...(waitEnd === "timeout" ? ["the wait has reached its time limit"] : []),
  ];
  return facts.length === 0 ? "running" : facts.join("; ");
}

/** A read shortened: of a screen the end is kept, of bytes the beginning. */
export function shortenRead<V extends ShellReadView>(view: V, maxChars: number): V {
  const room = maxChars - 500;
  if (view.plain) {
    const output = lastBytes(Buffer.from(view.output), room).toString("utf8");
    return { ...view, output, truncated: view.truncated || output.length < view.output.length };
  }
  const output = beginningOf(view.output, room);
  if (output.length === view.output.length) return view;
  // What stands for a byte that is no text is one byte.
  const length = Buffer.byteLength(output.replaceAll("\uFFFD", "?"));
  return { ...view, output, nextCursor: view.cursor + length, truncated: true };
}
