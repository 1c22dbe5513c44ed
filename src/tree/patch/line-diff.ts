import { type StructuredPatchHunk, structuredPatch } from "diff";
import { noNewlineMark, splitLines } from "./text.ts";

const contextLines = 3;
/** Time grows with its square, and is about 0.5 s at this limit */
const maxEdits = 3000;
const timeoutMs = 5000;

/**
 * The hunks that turn one text into the other. Files that differ in more than `maxEdits` lines get
 * one hunk from the first difference to the last.
 */
export function diffHunks(oldText: string, newText: string): string {
  return findHunks(oldText, newText).map(formatHunk).join("");
}

function findHunks(oldText: string, newText: string): readonly StructuredPatchHunk[] {
  if (oldText === newText) return [];
  if (oldText === "" || newText === "") return [replacement(oldText, newText)];
  const limits = { context: contextLines, maxEditLength: maxEdits, timeout: timeoutMs };
  const found = structuredPatch("", "", oldText, newText, undefined, undefined, limits);
  return found ? found.hunks : [replacement(oldText, newText)];
}

function replacement(oldText: string, newText: string): StructuredPatchHunk {
  const [oldLines, newLines] = [splitLines(oldText), splitLines(newText)];
  const shorter = Math.min(oldLines.length, newLines.length);
  let before = 0;
  while (before < shorter && oldLines[before] === newLines[before]) before++;
  let after = 0;
  while (after < shorter - before && oldLines.at(-1 - after) === newLines.at(-1 - after)) after++;
  const start = Math.max(0, before - contextLines);
  const removed = oldLines.slice(before, oldLines.length - after);
  const added = newLines.slice(before, newLines.length - after);
  const trailing = oldLines.slice(oldLines.length - after).slice(0, contextLines);
  const contextCount = before - start + trailing.length;
  return {
    oldStart: start + 1,
    oldLines: removed.length + contextCount,
    newStart: start + 1,
    newLines: added.length + contextCount,
    lines: [
      ...marked(" ", oldLines.slice(start, before)),
      ...marked("-", removed),
      ...marked("+", added),
      ...marked(" ", trailing),
    ],
  };
}

function marked(mark: string, lines: readonly string[]): string[] {
  return lines.flatMap((line) => (line.endsWith("\n") ? [mark + line.slice(0, -1)] : [mark + line, noNewlineMark]));
}

function formatHunk(hunk: StructuredPatchHunk): string {
  const ranges = `-${range(hunk.oldStart, hunk.oldLines)} +${range(hunk.newStart, hunk.newLines)}`;
  return `@@ ${ranges} @@\n${hunk.lines.join("\n")}\n`;
}

/** A side without lines has the number of the line before. */
function range(start: number, count: number): string {
  if (count === 0) return `${start - 1},0`;
  return count === 1 ? `${start}` : `${start},${count}`;
}
