import { type HunkLines, isBodyLine, readBody, readCountedBody } from "./hunk-body.ts";
import { badPatch, countHunk, isHeaderLine, type PatchReader, trimEnd } from "./patch-reader.ts";

/**
 * A place in a file: its lines, and those that replace them. Each has its line feed, unless the
 * file ends without one.
 */
export interface Hunk extends HunkLines {
  /** Its header as the patch has it, for messages: `@@ -10,3 +10,4 @@` */
  readonly header: string;
  /**
   * Line of the old file, from 1; the line before the place if there are no old lines. Null if the
   * patch does not say.
   */
  readonly oldStart: number | null;
  /**
   * Whether the header's counts are right. If they are not, its line is not to be trusted either,
   * and the old lines must be in one place only.
   */
  readonly isCounted: boolean;
  /** Lines above the place that the header names, the outermost first */
  readonly headings: readonly string[];
  /** Whether the old lines are the file's last */
  readonly isAtEnd: boolean;
}

/** What the header of a hunk says. */
interface HunkHeader {
  readonly header: string;
  readonly oldStart: number;
  readonly oldCount: number;
  readonly newCount: number;
}

/** Reads the hunks that follow, and leaves everything after them. */
export function readHunks(reader: PatchReader): Hunk[] {
  const hunks: Hunk[] = [];
  while (reader.lines[reader.at]?.startsWith("@@")) hunks.push(readHunk(reader));
  return hunks;
}

/** The parts of a header without line numbers: `def f` of `@@ def f` and of `@@ … @@ def f`. */
export function headingsOf(header: string): string[] {
  return header
    .split("@@")
    .map((part) => part.trim())
    .filter((part) => /\w/.test(part) && !/^-[\d,]+ \+[\d,]+$/.test(part));
}

function readHunk(reader: PatchReader): Hunk {
  countHunk(reader);
  const headerIndex = reader.at++;
  const line = trimEnd(reader.lines[headerIndex] ?? "");
  if (line.startsWith("@@@")) {
    const hint = "Send the difference to one parent, as 'git diff' prints it without '-c' or '--cc'";
    throw badPatch(headerIndex, `'${line.slice(0, 60)}' is of a combined diff`, { hint });
  }
  const stated = readHeader(line);
  const counted = stated && readCounted(reader, stated);
  const common = { headings: stated ? [] : headingsOf(line), isAtEnd: false };
  if (counted) return { ...common, ...counted, header: stated.header, oldStart: stated.oldStart, isCounted: true };
  reader.at = headerIndex + 1;
  const lines = readBody(reader, isBodyLine);
  checkEnd(reader, headerIndex, lines);
  const header = stated?.header ?? line.slice(0, 60);
  return { ...common, ...lines, header, oldStart: stated?.oldStart ?? null, isCounted: false };
}

function readHeader(line: string): HunkHeader | null {
  const match = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@/.exec(line);
  if (!match) return null;
  const [header, oldStart, oldCount = "1", newCount = "1"] = match;
  return { header, oldStart: Number(oldStart), oldCount: Number(oldCount), newCount: Number(newCount) };
}

/** Reads the lines that the header counts; null if there are others. */
function readCounted(reader: PatchReader, stated: HunkHeader): HunkLines | null {
  const lines = readCountedBody(reader, stated);
  const isAll = lines.oldLines.length === stated.oldCount && lines.newLines.length === stated.newCount;
  // Lines that the header does not count would otherwise be lost silently.
  return isAll && !isBodyLine(reader) ? lines : null;
}

/** Throws if the lines of a hunk end before something that was probably meant as one of them. */
function checkEnd(reader: PatchReader, headerIndex: number, { oldLines, newLines }: HunkLines): void {
  const end = reader.at;
  const hint = "Begin each line that the file keeps with a space";
  let isAfterBlank = false;
  for (let at = end; !isHeaderLine(reader.lines, at); at++) {
    const line = reader.lines[at] ?? "";
    isAfterBlank ||= line.trim() === "";
    // In the text after a patch "- " begins an item of a list.
    if (!(isAfterBlank ? /^(?:\+|-(?! \S))/ : /^[+-]/).test(line)) continue;
    const first = trimEnd(reader.lines[end] ?? "").slice(0, 60);
    throw badPatch(end, `'${first}' is in a hunk, but begins with none of ' ', '+' and '-'`, { hint });
  }
  if (oldLines.join("") !== newLines.join("")) return;
  throw badPatch(headerIndex, "the hunk has no lines that begin with '+' or '-'", { hint });
}
