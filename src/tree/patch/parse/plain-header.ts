import { checkedPaths, type FileHeader, namesDiffer, readSideLines } from "./file-header.ts";
import { withoutPrefixes } from "./patch-names.ts";
import type { PatchReader } from "./patch-reader.ts";

export interface PlainHeader extends FileHeader {
  /**
   * Whether the old or the new file does not exist, which `diff -N` marks with a timestamp of 1970,
   * if the hunks agree
   */
  readonly perhaps: "add" | "delete" | null;
}

/** Reads the names of a unified diff, as `diff -u` prints or people write them. */
export function readPlainHeader(reader: PatchReader): PlainHeader {
  const sides = readSideLines(reader);
  const { lineIndex } = sides;
  const { old, new: next } = withoutPrefixes(sides);
  if (!next) return { lineIndex, kind: "delete", ...checkedPaths(lineIndex, { old, new: null }), perhaps: null };
  if (!old) return { lineIndex, kind: "add", ...checkedPaths(lineIndex, { old: null, new: next }), perhaps: null };
  const name = commonName(old, next);
  if (!name) throw namesDiffer(lineIndex, old, next);
  const paths = checkedPaths(lineIndex, { old: name, new: name });
  return { lineIndex, kind: "modify", ...paths, perhaps: absentSide(sides.timestamps) };
}

/** The file that both sides mean. One of them can be a saved copy, such as `file.orig`. */
function commonName(old: Buffer, next: Buffer): Buffer | null {
  const [shorter, longer] = old.length < next.length ? [old, next] : [next, old];
  return longer.subarray(0, shorter.length).equals(shorter) ? shorter : null;
}

function absentSide(timestamps: { old: string; new: string }): "add" | "delete" | null {
  if (isEpoch(timestamps.old)) return "add";
  return isEpoch(timestamps.new) ? "delete" : null;
}

function isEpoch(timestamp: string): boolean {
  return /^(?:1969-12-31|1970-01-01) /.test(timestamp);
}
