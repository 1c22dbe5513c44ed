import { PyroError, type PyroErrorOptions } from "../../../core/errors.ts";

/** A patch while it is read. */
export interface PatchReader {
  /** Each with its line feed */
  readonly lines: readonly string[];
  /** Index of the line to be read next */
  at: number;
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
export function isAtFileNames({ lines, at }: PatchReader): boolean {
  return Boolean(lines[at]?.startsWith("--- ") && lines[at + 1]?.startsWith("+++ "));
}

/** Whether a line is the end, begins a file or a hunk, or is around patches in mails and such. */
export function isHeaderLine(lines: readonly string[], at: number): boolean {
  const line = lines[at];
  if (line === undefined || isAtFileNames({ lines, at })) return true;
  return /^(?:@@|diff |Index: |From |-- ?\r?$|\*\*\* |```|<{5,9} SEARCH)/m.test(line);
}
