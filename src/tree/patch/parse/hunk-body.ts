import { badPatch, isAtFileNames, type PatchReader } from "./patch-reader.ts";

/** The lines that a hunk removes or keeps, and those that it keeps or adds. */
export interface HunkLines {
  readonly oldLines: readonly string[];
  readonly newLines: readonly string[];
  /** Whether the last old line goes, and nothing comes in its place */
  readonly isLastRemoved: boolean;
}

/** How many lines a header says that there are. */
interface Counts {
  readonly oldCount: number;
  readonly newCount: number;
}

interface OpenBody {
  readonly oldLines: string[];
  readonly newLines: string[];
  readonly limits: Counts;
  /** Whether the next line belongs to the body. An empty one always does. */
  readonly isBody: (reader: PatchReader) => boolean;
}

/** Reads the lines that a header counts, fewer if others follow. */
export function readCountedBody(reader: PatchReader, limits: Counts): HunkLines {
  // Within its counts a hunk can have lines that look like something else.
  return readLines(reader, { oldLines: [], newLines: [], limits, isBody: isMarked });
}

/**
 * Reads all lines that follow. Editors and models remove the space of an empty line that is kept,
 * so an empty line is one too, but not at the end, where it separates files of the patch.
 */
export function readBody(reader: PatchReader, isBody: (reader: PatchReader) => boolean): HunkLines {
  const limits = { oldCount: Infinity, newCount: Infinity };
  const body = readLines(reader, { oldLines: [], newLines: [], limits, isBody });
  let at = reader.at;
  while (isBare(reader.lines[at - 1])) at--;
  const bareCount = Math.min(reader.at - at, body.oldLines.length, body.newLines.length);
  const cut = (lines: string[]) => lines.slice(0, lines.length - bareCount);
  return {
    oldLines: cut(body.oldLines),
    newLines: cut(body.newLines),
    isLastRemoved: body.isLastRemoved && bareCount === 0,
  };
}

function readLines(
  reader: PatchReader,
  body: OpenBody,
): { oldLines: string[]; newLines: string[]; isLastRemoved: boolean } {
  const { oldLines, newLines, limits } = body;
  let sides: readonly string[][] = [];
  while (oldLines.length < limits.oldCount || newLines.length < limits.newCount) {
    if (takeNoNewlineMark(reader, sides)) {
      sides = [];
      continue;
    }
    const next = sidesOfNext(reader, body);
    if (next.length === 0) break;
    sides = next;
    add(reader, sides);
  }
  const isLastRemoved = sides.length === 1 && sides[0] === oldLines;
  takeNoNewlineMark(reader, sides);
  return { oldLines, newLines, isLastRemoved };
}

/** The sides that have the next line; none if it is not of the body, or is one too many. */
function sidesOfNext(reader: PatchReader, { oldLines, newLines, limits, isBody }: OpenBody): readonly string[][] {
  const line = reader.lines[reader.at];
  if (line === undefined || (!isBare(line) && !isBody(reader))) return [];
  const sides = line.startsWith("-") ? [oldLines] : line.startsWith("+") ? [newLines] : [oldLines, newLines];
  const isFull = (side: string[]) => side.length === (side === oldLines ? limits.oldCount : limits.newCount);
  return sides.some(isFull) ? [] : sides;
}

function isBare(line: string | undefined): boolean {
  return line === "\n" || line === "\r\n";
}

function isMarked({ lines, at }: PatchReader): boolean {
  return /^[ +-]/.test(lines[at] ?? "");
}

/** Whether the next line can be of a hunk, and not of what follows one. */
export function isBodyLine(reader: PatchReader): boolean {
  const line = reader.lines[reader.at] ?? "";
  // "-- " begins the signature of a mail.
  return /^[ +-]/.test(line) && !/^-- ?\r?\n?$/.test(line) && !isAtFileNames(reader);
}

function add(reader: PatchReader, sides: readonly string[][]): void {
  const line = reader.lines[reader.at] ?? "";
  const text = isBare(line) ? line : line.slice(1);
  for (const side of sides) {
    if (side.at(-1)?.endsWith("\n") === false) throw badPatch(reader.at, "a line follows the one without a newline");
    // A patch in a string often lacks its last line feed.
    side.push(text.endsWith("\n") ? text : `${text}\n`);
  }
  reader.at++;
}

/** Takes `\ No newline at end of file`, which is about the line before it. */
function takeNoNewlineMark(reader: PatchReader, sides: readonly string[][]): boolean {
  if (sides.length === 0 || !reader.lines[reader.at]?.startsWith("\\ ")) return false;
  for (const side of sides) side.push((side.pop() ?? "").replace(/\n$/, ""));
  reader.at++;
  return true;
}
