import { maxPathBytes } from "../../path.ts";
import type { Hunk } from "./hunk.ts";
import type { FilePatch } from "./parse.ts";
import { checkedPath } from "./patch-names.ts";
import { badPatch, countHunk, type PatchReader, trimEnd } from "./patch-reader.ts";

/**
 * Blocks of two texts below the name of a file, as several coding tools ask models for: the first
 * text must be in the file once, and the second takes its place.
 *
 *     src/app.py
 *     <<<<<<< SEARCH
 *     old lines
 *     =======
 *     new lines
 *     >>>>>>> REPLACE
 */

const startMark = /^<{5,9} SEARCH\s*>?$/;
const middleMark = /^={5,9}$/;
const endMark = /^>{5,9} REPLACE\s*$/;

/** Whether the next line begins a block. */
export function isAtBlock({ lines, at }: PatchReader): boolean {
  return startMark.test(trimEnd(lines[at] ?? ""));
}

/** Throws at an end without a beginning: a line of the block before looked like its end. */
export function refuseLoneEnd({ lines, at }: PatchReader): void {
  if (!endMark.test(trimEnd(lines[at] ?? ""))) return;
  throw badPatch(at, "this line ends no block", {
    hint: "Send texts that have such lines as a unified diff",
  });
}

/** Reads one block. `previous` is the path of the block before, which the next need not repeat. */
export function readBlock(reader: PatchReader, previous: Buffer | null): FilePatch {
  countHunk(reader);
  const lineIndex = reader.at;
  const { path, adjusted } = nameAbove(reader, previous);
  const oldLines = readUntil(reader, middleMark, "=======");
  const newLines = readUntil(reader, endMark, ">>>>>>> REPLACE");
  reader.at++;
  // Then it is unclear which of them is between the two texts.
  if ([...oldLines, ...newLines].some((line) => middleMark.test(trimEnd(line)))) {
    throw badPatch(lineIndex, "this block has several lines '======='", {
      hint: "Send the change as a unified diff, or with workspace_file_edit",
    });
  }
  if (oldLines.join("") === newLines.join("")) throw badPatch(lineIndex, "both texts of this block are the same");
  const header = `block of line ${lineIndex + 1}`;
  const place = { oldStart: null, isCounted: false, headings: [], isAtEnd: false };
  const isLastRemoved = newLines.at(-1) === oldLines.at(-2);
  const hunk: Hunk = { header, ...place, oldLines, newLines, isLastRemoved };
  return { kind: "modify", oldPath: path, newPath: path, adjusted, hunks: [hunk] };
}

/** The lines up to a mark, after the line that the reader is at, and goes on to the mark. */
function readUntil(reader: PatchReader, mark: RegExp, name: string): string[] {
  const startIndex = reader.at++;
  const first = reader.at;
  while (reader.at < reader.lines.length) {
    const line = trimEnd(reader.lines[reader.at] ?? "");
    if (mark.test(line)) return reader.lines.slice(first, reader.at);
    if (startMark.test(line) || endMark.test(line)) break;
    reader.at++;
  }
  throw badPatch(startIndex, `the block has no line '${name}' after this one`);
}

/** The path in the nearest line above that is no fence of Markdown, or else the last block's. */
function nameAbove({ lines, at }: PatchReader, previous: Buffer | null) {
  const above = lines.slice(Math.max(0, at - namedLines), at).map(trimEnd);
  const name = above.findLast((line) => line.trim() !== "" && !/^\s*```/.test(line));
  const isEndOfBlock = name === undefined || name.length > maxPathBytes || endMark.test(name);
  const written = isEndOfBlock ? "" : bareName(name);
  const isName = written !== "" && (/[./]/.test(written) || !/\s/.test(written));
  if (!isName && previous) return { path: previous, adjusted: [] };
  if (!isName) {
    throw badPatch(at, "no line above this block names its file", {
      hint: "Put the file's path on the line above '<<<<<<< SEARCH'",
    });
  }
  const checked = checkedPath(Buffer.from(written));
  if (checked.problem !== null) throw badPatch(at, `of the file's name above: ${checked.problem}`);
  return checked;
}

/** Lines above a block in which its file can be named: a fence and an empty line can be between. */
const namedLines = 3;

/** A path without what models put around it: `## src/x:`, `**src/x**`, `File: src/x`, quotes. */
function bareName(line: string): string {
  return line
    .trim()
    .replace(/^(?:#+|\/\/|\*+)\s+/, "")
    .replace(/^(?:file(?:name|path)?|path)\s*:\s*/i, "")
    .replace(/:$/, "")
    .replace(/^(?:\*\*|[`"'])+(.*?)(?:\*\*|[`"'])+$/, "$1")
    .trim();
}
