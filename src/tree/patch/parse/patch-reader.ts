import { PyroError, type PyroErrorOptions } from "../../../core/errors.ts";

/** A patch while it is read. */
export interface PatchReader {
  /** Each with its line feed */
  readonly lines: readonly string[];
  /** Index of the line to be read next */
  at: number;
  /** Hunks that the patch may still have, because each takes more memory than its text */
  hunksLeft: number;
}

/** More than a change that a person reviews, or a program makes in a project */
export const maxHunks = 50_000;

/** Counts a hunk. Throws if there are too many. */
export function countHunk(reader: PatchReader): void {
  reader.hunksLeft -= 1;
  if (reader.hunksLeft < 0) {
    throw badPatch(reader.at, `the patch has more than ${maxHunks} hunks`, { hint: "Send it in parts" });
  }
}

/** The line without its end. */
export function trimEnd(line: string): string {
  return line.replace(/\r?\n$/, "");
}

export function badPatch(lineIndex: number, reason: string, options: PyroErrorOptions = {}): PyroError {
  const line = lineIndex + 1;
  return new PyroError("invalid_argument", `cannot read patch: line ${line}: ${reason}`, {
    ...options,
    details: { line, ...options.details },
  });
}

/** Whether the next two lines name a file, as in every unified diff before its first hunk. */
export function isAtFileNames({ lines, at }: Pick<PatchReader, "lines" | "at">): boolean {
  return Boolean(lines[at]?.startsWith("--- ") && lines[at + 1]?.startsWith("+++ "));
}

/** Whether a line is the end, begins a file or a hunk, or is around patches in mails and such. */
export function isHeaderLine(lines: readonly string[], at: number): boolean {
  const line = lines[at];
  if (line === undefined || isAtFileNames({ lines, at })) return true;
  return /^(?:@@|diff |Index: |From |-- ?\r?$|\*\*\* |```|<{5,9} SEARCH)/m.test(line);
}
