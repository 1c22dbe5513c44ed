import { expect, test } from "vitest";
import type { TerminalState } from "../../../../src/guest/messages.ts";
import { foregroundOf } from "../../../../src/workspaces/shell/foreground.ts";

const lineEditor = { byLine: false, echo: false };
const lines = { byLine: true, echo: true };
const hidden = { byLine: true, echo: false };
const marks = { isAtPrompt: undefined, lastExitCode: null };
const sight = { shellPid: 10, marks, alternate: false, typedBytes: 5 };

function stateOf(
  reads: NonNullable<TerminalState["foreground"]>["reads"],
  terminal: object,
  { pid = 20, ...more }: Partial<typeof sight> & { pid?: number; isAtPrompt?: boolean } = {},
) {
  const state = {
    ...{ cols: 80, rows: 24, unreadBytes: 0, receivedBytes: 5, sentBytes: 0, ...lines },
    foreground: { pid, command: "x", reads },
    ...terminal,
  };
  const seen = {
    ...sight,
    ...more,
    ...("isAtPrompt" in more ? { marks: { ...marks, isAtPrompt: more.isAtPrompt } } : {}),
  };
  return foregroundOf(state, seen as typeof sight)?.state;
}

test.each([
  ["a program that works", stateOf("no", lines), "working"],
  ["a system call that does not tell", stateOf("unknown", lines), "unknown"],
  ["a question", stateOf("yes", lines), "input"],
  ["a question for a password", stateOf("yes", hidden), "password"],
  ["a line editor", stateOf("yes", lineEditor), "prompt"],
  ["an event loop that takes keys", stateOf("also", lineEditor), "input"],
  ["a program on the whole screen", stateOf("yes", lineEditor, { alternate: true }), "input"],
  ["the shell at its prompt", stateOf("yes", lineEditor, { pid: 10, isAtPrompt: true }), "prompt"],
  ["the shell's own read", stateOf("yes", lineEditor, { pid: 10, isAtPrompt: false }), "input"],
  ["a shell without a line editor", stateOf("yes", lines, { pid: 10 }), "prompt"],
  ["a shell that reads a password", stateOf("yes", hidden, { pid: 10 }), "password"],
  ["input that is not read yet", stateOf("yes", { ...lines, unreadBytes: 1 }), "working"],
  ["input on its way to the guest", stateOf("yes", lines, { typedBytes: 6 }), "working"],
])("%s", (_what, state, expected) => {
  expect(state).toBe(expected);
});
