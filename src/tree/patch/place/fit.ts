import type { Hunk } from "../parse/hunk.ts";
import type { HunkLines } from "../parse/hunk-body.ts";

/** How the lines of a file end. */
export interface LineEnds {
  readonly hasCrlf: boolean;
  readonly hasLf: boolean;
  /** The last line, if it has no end */
  readonly unended: string | null;
}

/** The lines of a hunk as they are looked for in a file. */
export interface FittedHunk extends HunkLines {
  /** How they differ from the patch, in words; null if they do not */
  readonly fit: string | null;
  readonly usesCrlf: boolean;
}

export function lineEndsOf(lines: readonly string[]): LineEnds {
  const last = lines.at(-1);
  return {
    hasCrlf: lines.some((line) => line.endsWith("\r\n")),
    hasLf: lines.some((line) => line.endsWith("\n") && !line.endsWith("\r\n")),
    unended: last === undefined || last.endsWith("\n") ? null : last,
  };
}

/**
 * The ways to read a hunk, the likeliest first: as it is written, with CRLF for a file that has it,
 * and without the end of the last line. All of them keep every other character.
 */
export function* fittings(hunk: Hunk, ends: LineEnds): Generator<FittedHunk> {
  const asWritten = { oldLines: hunk.oldLines, newLines: hunk.newLines, isLastRemoved: hunk.isLastRemoved };
  const isLf = [...hunk.oldLines, ...hunk.newLines].every((line) => !line.endsWith("\r\n"));
  const readings: FittedHunk[] = [{ ...asWritten, fit: null, usesCrlf: false }];
  if (ends.hasCrlf && isLf) {
    readings.push({ ...mapLines(asWritten, toCrlf), fit: "with CRLF line ends, as the file has", usesCrlf: true });
    // Lines that are only added fit everywhere, so they take the ends of all others.
    if (hunk.oldLines.length === 0 && !ends.hasLf) readings.shift();
  }
  // After a last line without an end more lines can only follow when it gets one.
  const needsEnd = hunk.isAtEnd && hunk.oldLines.length === 0 && ends.unended !== null;
  if (!needsEnd) yield* readings;
  // In a counted hunk git's mark would say that the last line has no end.
  if (hunk.isCounted || ends.unended === null) return;
  for (const reading of readings) {
    const unended = withoutLastEnd(reading, ends.unended, hunk.isAtEnd);
    if (unended) yield { ...reading, ...unended, fit: "without a line end at the end of the file, as it was" };
  }
}

function withoutLastEnd(lines: HunkLines, last: string, isAtEnd: boolean): HunkLines | null {
  const { oldLines, newLines, isLastRemoved } = lines;
  if (oldLines.length === 0) {
    return isAtEnd ? { ...lines, oldLines: [last], newLines: [`${last}\n`, ...cutLast(newLines)] } : null;
  }
  if (withoutEnd(oldLines.at(-1) ?? "") !== last) return null;
  // The line above it, which is the last then, stays as it is.
  return { ...lines, oldLines: cutLast(oldLines), newLines: isLastRemoved ? newLines : cutLast(newLines) };
}

/** The lines without the end of the last one. An empty one keeps it, or it would be gone. */
function cutLast(lines: readonly string[]): string[] {
  return lines.map((line, index) => (index === lines.length - 1 ? withoutEnd(line) || line : line));
}

function mapLines(lines: HunkLines, change: (line: string) => string): HunkLines {
  return { ...lines, oldLines: lines.oldLines.map(change), newLines: lines.newLines.map(change) };
}

function toCrlf(line: string): string {
  return line.replace(/\n$/, "\r\n");
}

function withoutEnd(line: string): string {
  return line.replace(/\r?\n$/, "");
}
