import { PyroError } from "../../core/errors.ts";
import { displayPath } from "../name.ts";
import { findPlace } from "./hunk-place.ts";
import type { Hunk } from "./parse/hunk.ts";
import type { FilePatch } from "./parse/parse.ts";
import { isText, splitLines } from "./text.ts";

const empty = Buffer.alloc(0);
const shownLines = 5;
const shownCharacters = 200;

/**
 * Applies a patch to the content of a file, or to null for a new file. Hunks apply in order, at the
 * nearest place with exactly their lines. The result is empty for a file that is deleted.
 */
export function applyFilePatch(old: Buffer | null, patch: FilePatch): Buffer {
  const path = displayPath(patch.newPath ?? patch.oldPath ?? empty);
  if (patch.kind === "add" && old) throw new PyroError("already_exists", `cannot add '${path}': it exists`);
  if (patch.kind !== "add" && !old) {
    const oldPath = displayPath(patch.oldPath ?? empty);
    throw new PyroError("not_found", `cannot apply patch to '${oldPath}': there is no such file`);
  }
  const applied = patch.hunks.length === 0 ? (old ?? empty) : applyHunks(old ?? empty, path, patch);
  if (patch.kind === "delete" && applied.length > 0) {
    throw new PyroError("failed_precondition", `cannot delete '${path}': the patch does not have all of its lines`, {
      hint: readAgain,
      details: { path },
    });
  }
  return applied;
}

const readAgain = "Read the file again, and make the patch from what it says now";

function applyHunks(old: Buffer, path: string, { hunks }: FilePatch): Buffer {
  if (!isText(old)) {
    throw new PyroError("failed_precondition", `cannot apply patch to '${path}': the file is not UTF-8 text`, {
      hint: "Write the whole file instead",
      details: { path },
    });
  }
  const lines = splitLines(old.toString());
  const result: string[] = [];
  const search = { lines, from: 0, offset: 0, comparisonsLeft: 20_000_000 };
  for (const [index, hunk] of hunks.entries()) {
    const place = findPlace(hunk, search);
    if (typeof place !== "number") throw mismatch({ path, hunk, number: index + 1, lines, ...place });
    append(result, lines, search.from, place);
    append(result, hunk.newLines, 0, hunk.newLines.length);
    search.from = place + hunk.oldLines.length;
  }
  append(result, lines, search.from, lines.length);
  const unended = result.slice(0, -1).findIndex((line) => !line.endsWith("\n"));
  if (unended !== -1) throw unendedLine(path, unended + 1);
  return Buffer.from(result.join(""));
}

function append(result: string[], lines: readonly string[], from: number, to: number): void {
  for (let index = from; index < to; index++) result.push(lines[index] ?? "");
}

interface Mismatch {
  readonly path: string;
  readonly hunk: Hunk;
  readonly number: number;
  readonly lines: readonly string[];
  readonly wanted: number;
  readonly reason: string | null;
}

function mismatch({ path, hunk, number, lines, wanted, reason }: Mismatch): PyroError {
  const same = hunk.oldLines.findIndex((line, index) => line !== lines[wanted + index]);
  const first = Math.max(0, same);
  const expected = hunk.oldLines.slice(first, first + shownLines);
  const found = lines.slice(wanted + first, wanted + first + shownLines);
  const line = wanted + first + 1;
  const why = reason ?? `does not match at line ${line}`;
  return new PyroError(
    "failed_precondition",
    `cannot apply patch to '${path}': hunk ${number} (${hunk.header}) ${why}`,
    {
      hint: hintFor(expected[0], found[0]),
      details: { path, hunk: number, line, expected: expected.map(shorten), found: found.map(shorten) },
    },
  );
}

function hintFor(expected: string | undefined, found: string | undefined): string {
  if (expected !== undefined && expected !== found && found !== undefined) {
    if (expected.replace(/\n$/, "\r\n") === found)
      return "End the lines of the patch with CR LF, as those of the file do";
    if (expected === found.replace(/\n$/, "\r\n"))
      return "End the lines of the patch with LF only, as those of the file do";
    if (expected === `${found}\n`) return "Mark the last line: '\\ No newline at end of file' goes below it";
    if (`${expected}\n` === found) return "Take '\\ No newline at end of file' away: that line of the file has one";
  }
  return readAgain;
}

function shorten(line: string): string {
  return line.length > shownCharacters ? `${line.slice(0, shownCharacters)}…` : line;
}

function unendedLine(path: string, line: number): PyroError {
  return new PyroError(
    "failed_precondition",
    `cannot apply patch to '${path}': line ${line} of the result would have no newline, but is not the last`,
    { hint: "Replace the last line of the file too, if lines follow it", details: { path, line } },
  );
}
