import { PyroError } from "../../core/errors.ts";
import { displayPath } from "../name.ts";
import { applyBinary } from "./binary/apply.ts";
import type { Hunk } from "./parse/hunk.ts";
import type { FilePatch } from "./parse/parse.ts";
import { type FittedHunk, fittings, type LineEnds, lineEndsOf } from "./place/fit.ts";
import { findPlace, type NoPlace, type PlaceSearch } from "./place/hunk-place.ts";
import { explainNoPlace } from "./place/no-place.ts";
import { isText, splitLines } from "./text.ts";

/** A file after its patch. */
export interface AppliedFile {
  /** Empty for a file that is deleted */
  readonly content: Buffer;
  /** How the patch was fitted to the file, in words */
  readonly adjusted: readonly string[];
}

const empty = Buffer.alloc(0);

/**
 * Applies a patch to the content of a file, or to null for a new file. Hunks apply in order, at the
 * nearest place with exactly their lines.
 */
export function applyFilePatch(old: Buffer | null, patch: FilePatch): AppliedFile {
  const path = displayPath(patch.newPath ?? patch.oldPath ?? empty);
  if (patch.kind === "add" && old) throw new PyroError("already_exists", `cannot add '${path}': it exists`);
  if (patch.kind !== "add" && !old) throw missing(patch);
  if (patch.isWhole) return { content: empty, adjusted: [] };
  if (patch.binary) return { content: applyBinary(path, old ?? empty, patch.binary), adjusted: [] };
  const applied =
    patch.hunks.length === 0 ? { content: old ?? empty, adjusted: [] } : applyHunks(old ?? empty, path, patch);
  if (patch.kind === "delete" && applied.content.length > 0) {
    throw new PyroError("failed_precondition", `cannot delete '${path}': the patch does not have all of its lines`, {
      hint: "Read the file again, and make the patch from what it says now",
      details: { path },
    });
  }
  return applied;
}

function missing({ kind, oldPath }: FilePatch): PyroError {
  const path = displayPath(oldPath ?? empty);
  const reason = kind === "delete" ? "there is no such file, so this is already applied" : "there is no such file";
  return new PyroError("not_found", `cannot apply patch to '${path}': ${reason}`, { details: { path } });
}

function applyHunks(old: Buffer, path: string, { hunks }: FilePatch): AppliedFile {
  if (!isText(old)) {
    throw new PyroError("failed_precondition", `cannot apply patch to '${path}': the file is not UTF-8 text`, {
      hint: "Write the whole file instead",
      details: { path },
    });
  }
  const lines = splitLines(old.toString());
  const result: string[] = [];
  const adjusted: string[] = [];
  const ends = lineEndsOf(lines);
  const search = { lines, from: 0, offset: 0, comparisonsLeft: 20_000_000 };
  for (const [index, hunk] of hunks.entries()) {
    const number = index + 1;
    const placed = place(hunk, search, ends);
    if ("wanted" in placed) throw explainNoPlace({ path, number, lines, ...placed });
    append(result, lines, search.from, placed.at);
    append(result, placed.newLines, 0, placed.newLines.length);
    search.from = placed.at + placed.oldLines.length;
    adjusted.push(...adjustments(hunk, number, placed));
  }
  append(result, lines, search.from, lines.length);
  const unended = result.slice(0, -1).findIndex((line) => !line.endsWith("\n"));
  if (unended !== -1) throw unendedLine(path, unended + 1);
  return { content: Buffer.from(result.join("")), adjusted };
}

/** A hunk at its place in the file, as it fits there. */
interface PlacedHunk extends FittedHunk {
  readonly at: number;
}

/** Places a hunk in the first reading that fits, or says why none does. */
function place(hunk: Hunk, search: PlaceSearch, ends: LineEnds): PlacedHunk | (NoPlace & { hunk: Hunk }) {
  let none: (NoPlace & { hunk: Hunk }) | null = null;
  for (const fitted of fittings(hunk, ends)) {
    const read = { ...hunk, oldLines: fitted.oldLines, newLines: fitted.newLines };
    const at = findPlace(read, search);
    if (typeof at === "number") return { ...fitted, at };
    // With the file's own line ends, what differs is more than those.
    if (!none || fitted.usesCrlf) none = { ...at, hunk: read };
    // What is there several times as it is written needs no other reading.
    if (at.reason !== null) break;
  }
  return none ?? { wanted: 0, reason: null, hunk };
}

function adjustments(hunk: Hunk, number: number, { at, fit }: PlacedHunk): string[] {
  const what = `hunk ${number} (${hunk.header})`;
  const counts = hunk.oldStart === null ? "" : ", its lines counted anew";
  return [
    ...(hunk.isCounted ? [] : [`${what} applied at line ${at + 1}${counts}`]),
    ...(fit === null ? [] : [`${what} applied ${fit}`]),
  ];
}

function append(result: string[], lines: readonly string[], from: number, to: number): void {
  for (let index = from; index < to; index++) result.push(lines[index] ?? "");
}

function unendedLine(path: string, line: number): PyroError {
  return new PyroError(
    "failed_precondition",
    `cannot apply patch to '${path}': line ${line} of the result would have no newline, but is not the last`,
    { hint: "Replace the last line of the file too, if lines follow it", details: { path, line } },
  );
}
