import type { TerminalState } from "../../guest/messages.ts";
import type { CommandMarks } from "./terminal/screen.ts";
import type { Foreground } from "./verbs.ts";

export interface Sight {
  /** Number of the shell's own process */
  readonly shellPid: number;
  readonly marks: CommandMarks;
  /** Whether a program has taken the whole screen */
  readonly alternate: boolean;
  /** Bytes that were typed, the guest has them or not */
  readonly typedBytes: number;
}

/**
 * What the program that has the keyboard waits for. It is computed from what the guest's kernel
 * says of it, not from what is on the screen.
 */
export function foregroundOf(state: TerminalState, sight: Sight): Foreground | null {
  if (!state.foreground) return null;
  const { pid, command } = state.foreground;
  return { pid, command, state: waitingOf(state, state.foreground, sight) };
}

function waitingOf(
  { byLine, echo, unreadBytes, receivedBytes }: TerminalState,
  { pid, reads }: NonNullable<TerminalState["foreground"]>,
  { shellPid, marks, alternate, typedBytes }: Sight,
): Foreground["state"] {
  if (reads === "unknown") return "unknown";
  // What is typed but not read yet is still to be worked on.
  if (reads === "no" || unreadBytes > 0 || receivedBytes < typedBytes) return "working";
  const isShell = pid === shellPid;
  if (byLine) {
    // A shell without a line editor reads its commands as any program reads its input.
    const isPlainShell = isShell && marks.isAtPrompt === undefined;
    return stateByLine({ echo, isPlainShell });
  }
  if (isShell && marks.isAtPrompt !== undefined) return marks.isAtPrompt ? "prompt" : "input";
  // An event loop may serve a line editor or the keys of a program that also works.
  if (reads === "also") return "input";
  // Key by key, a line editor or a program with a screen of its own reads.
  return alternate ? "input" : "prompt";
}

function stateByLine({ echo, isPlainShell }: { readonly echo: boolean; readonly isPlainShell: boolean }) {
  if (!echo) return "password";
  return isPlainShell ? "prompt" : "input";
}
