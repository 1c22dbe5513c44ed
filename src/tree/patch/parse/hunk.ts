import { badPatch, isAtFileNames, type PatchReader, trimEnd } from "./patch-reader.ts";

/**
 * A place in a file: its lines, and those that replace them. Each has its line feed, unless the
 * file ends without one.
 */
export interface Hunk {
  /** `@@ -10,3 +10,4 @@` */
  readonly header: string;
  /** Line of the old file, from 1; the line before the place if there are no old lines */
  readonly oldStart: number;
  readonly oldLines: readonly string[];
  readonly newLines: readonly string[];
}

interface OpenHunk {
  readonly headerIndex: number;
  readonly header: string;
  readonly oldStart: number;
  readonly newStart: number;
  readonly oldCount: number;
  readonly newCount: number;
  readonly oldLines: string[];
  readonly newLines: string[];
}

/** Reads the hunks that follow, and leaves everything after them. */
export function readHunks(reader: PatchReader): Hunk[] {
  const hunks: Hunk[] = [];
  while (reader.lines[reader.at]?.startsWith("@@")) hunks.push(readHunk(reader));
  return hunks;
}

function readHunk(reader: PatchReader): Hunk {
  const hunk = openHunk(reader);
  let sides: readonly string[][] = [];
  while (hunk.oldLines.length < hunk.oldCount || hunk.newLines.length < hunk.newCount) {
    sides = takeNoNewlineMark(reader, sides) ? [] : readBodyLine(reader, hunk);
  }
  takeNoNewlineMark(reader, sides);
  // Lines that the header does not count would otherwise be lost silently.
  if (isBodyLine(reader)) throw miscounted(reader, hunk);
  const { header, oldStart, oldLines, newLines } = hunk;
  return { header, oldStart, oldLines, newLines };
}

function openHunk(reader: PatchReader): OpenHunk {
  const headerIndex = reader.at++;
  const line = trimEnd(reader.lines[headerIndex] ?? "");
  const match = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/.exec(line);
  if (!match) {
    const hint = "Begin every hunk with its line numbers, like '@@ -10,3 +10,4 @@'";
    throw badPatch(headerIndex, `'${line.slice(0, 60)}' is not the header of a hunk`, { hint });
  }
  const [header, oldStart, oldCount = "1", newStart, newCount = "1"] = match;
  return {
    headerIndex,
    header,
    oldStart: Number(oldStart),
    newStart: Number(newStart),
    oldCount: Number(oldCount),
    newCount: Number(newCount),
    oldLines: [],
    newLines: [],
  };
}

/** Adds the next line to the sides that have it, and returns them. */
function readBodyLine(reader: PatchReader, hunk: OpenHunk): readonly string[][] {
  const line = reader.lines[reader.at] ?? "";
  const sides = sidesOf(line, hunk);
  const isTooMany =
    (sides.includes(hunk.oldLines) && hunk.oldLines.length === hunk.oldCount) ||
    (sides.includes(hunk.newLines) && hunk.newLines.length === hunk.newCount);
  if (sides.length === 0 || isTooMany) throw miscounted(reader, hunk);
  // Editors and models remove the space of an empty line. A patch in a string often lacks its last
  // line feed.
  const text = line === "\n" ? line : line.slice(1);
  for (const side of sides) {
    if (side.at(-1)?.endsWith("\n") === false) throw badPatch(reader.at, "a line follows the one without a newline");
    side.push(text.endsWith("\n") ? text : `${text}\n`);
  }
  reader.at++;
  return sides;
}

function sidesOf(line: string, { oldLines, newLines }: OpenHunk): readonly string[][] {
  switch (line[0]) {
    case " ":
    case "\n":
      return [oldLines, newLines];
    case "-":
      return [oldLines];
    case "+":
      return [newLines];
    default:
      return [];
  }
}

/** Takes `\ No newline at end of file`, which is about the line before it. */
function takeNoNewlineMark(reader: PatchReader, sides: readonly string[][]): boolean {
  if (sides.length === 0 || !reader.lines[reader.at]?.startsWith("\\ ")) return false;
  for (const side of sides) side.push((side.pop() ?? "").replace(/\n$/, ""));
  reader.at++;
  return true;
}

function isBodyLine(reader: PatchReader): boolean {
  const line = reader.lines[reader.at] ?? "";
  // "-- " begins the signature of a mail.
  return /^[ +-]/.test(line) && !/^-- ?\r?\n?$/.test(line) && !isAtFileNames(reader);
}

function miscounted(reader: PatchReader, hunk: OpenHunk) {
  const { oldCount, newCount, headerIndex, header } = hunk;
  const found = countBody({ lines: reader.lines, at: headerIndex + 1 });
  const reason =
    `the hunk '${header}' of line ${headerIndex + 1} has ${found.old} old and ${found.new} new lines, ` +
    `its header says ${oldCount} and ${newCount}`;
  const corrected = `@@ -${hunk.oldStart},${found.old} +${hunk.newStart},${found.new} @@`;
  const hint = `Check the hunk; if its lines are right, its header is '${corrected}'`;
  return badPatch(Math.min(reader.at, reader.lines.length - 1), reason, { hint, details: { header } });
}

function countBody(reader: PatchReader): { old: number; new: number } {
  const count = { old: 0, new: 0 };
  for (; reader.lines[reader.at] === "\n" || isMarked(reader); reader.at++) {
    const mark = reader.lines[reader.at]?.[0];
    if (mark === "\\") continue;
    if (mark !== "+") count.old++;
    if (mark !== "-") count.new++;
  }
  return count;
}

function isMarked(reader: PatchReader): boolean {
  return isBodyLine(reader) || Boolean(reader.lines[reader.at]?.startsWith("\\ "));
}
