import { PyroError } from "../../core/errors.ts";
import { fromCharacterStart, pageEnd, wholeCharacters } from "../../core/utf8.ts";
import type { Shell } from "./shell.ts";

const maxCharacterBytes = 4;

export interface ReadRequest {
  readonly cursor: number;
  readonly maxChars: number;
  readonly plain: boolean;
}

export interface ReadText {
  readonly output: string;
  /** Position at which the output begins */
  readonly cursor: number;
  readonly nextCursor: number;
  readonly oldestCursor: number;
  readonly truncated: boolean;
}

/** What a shell has printed since a position, as bytes came or as a person would have seen it. */
export function readText(shell: Shell, { cursor, maxChars, plain }: ReadRequest): ReadText {
  const { scrollback, screen } = shell;
  const { end, oldest } = scrollback;
  if (cursor > end) {
    throw new PyroError("invalid_argument", `cannot read from cursor ${cursor}: the shell has printed ${end} bytes`, {
      hint: "Give the next_cursor of an earlier read, or 0.",
    });
  }
  if (plain) {
    const { text, isCut } = screen.textSince(cursor);
    const output = lastChars(text, maxChars);
    const truncated = isCut || output.length < text.length;
    return { output, cursor, nextCursor: screen.remember(), oldestCursor: oldest, truncated };
  }
  const from = Math.max(cursor, oldest);
  // A byte makes one character at most, and the last one may need more bytes than asked for.
  const bytes = scrollback.read(from, maxChars + maxCharacterBytes);
  const kept = from === cursor ? bytes : fromCharacterStart(bytes);
  // What the end of the output cuts in two may still be completed.
  const whole = shell.isRunning ? wholeCharacters(kept) : kept;
  const length = pageEnd(whole, 0, maxChars);
  const nextCursor = from + bytes.length - kept.length + length;
  return {
    output: whole.toString("utf8", 0, length),
    cursor: from,
    nextCursor,
    oldestCursor: oldest,
    truncated: from > cursor || nextCursor < scrollback.end,
  };
}

/** The end of a text, from the beginning of a line if it has several. */
function lastChars(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const end = text.slice(-maxChars);
  return end.slice(end.indexOf("\n") + 1);
}
