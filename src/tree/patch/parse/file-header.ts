import { PyroError } from "../../../core/errors.ts";
import { displayPath } from "../../name.ts";
import { checkedPath, type NamePair, readSideName } from "./patch-names.ts";
import { badPatch, type PatchReader, trimEnd } from "./patch-reader.ts";

export type PatchKind = "add" | "modify" | "delete" | "rename" | "copy";

/** The header of one file in a patch. */
export interface FileHeader {
  readonly lineIndex: number;
  readonly kind: PatchKind;
  /** Path from the top of the workspace; null for an added file */
  readonly oldPath: Buffer | null;
  /** Path; null for a deleted file */
  readonly newPath: Buffer | null;
  /** 0o100644, 0o100755, or 0o120000 for a symbolic link, if the patch has it */
  readonly oldMode?: number;
  /** New mode, if it differs from the old one */
  readonly newMode?: number;
  /** Git's ids of the old and the new content, or their beginnings, if the patch has them */
  readonly ids?: BlobIds;
  /** What was read otherwise than it is written, in words */
  readonly adjusted: readonly string[];
}

/** Ids in hexadecimal. */
export interface BlobIds {
  readonly old: string;
  readonly new: string;
}

/** The two lines `--- a/file` and `+++ b/file`. */
export interface SideLines extends NamePair {
  readonly lineIndex: number;
  readonly timestamps: { readonly old: string; readonly new: string };
}

/** Reads the two lines, which must be there. */
export function readSideLines(reader: PatchReader): SideLines {
  const lineIndex = reader.at;
  const [old, next] = [readSideLine(reader), readSideLine(reader)];
  if (!old.name && !next.name) throw badPatch(lineIndex, "both sides are /dev/null");
  return { lineIndex, old: old.name, new: next.name, timestamps: { old: old.timestamp, new: next.timestamp } };
}

function readSideLine(reader: PatchReader) {
  const lineIndex = reader.at++;
  const side = readSideName(trimEnd(reader.lines[lineIndex] ?? "").slice("--- ".length));
  if (!side) throw badPatch(lineIndex, "the quoted name has no end, or an escape that git does not know");
  return side;
}

/** The paths of these names. Throws if one could lead out of the workspace. */
export function checkedPaths(lineIndex: number, names: NamePair): Pick<FileHeader, "oldPath" | "newPath" | "adjusted"> {
  const [old, next] = [names.old, names.new].map((name) => {
    if (!name) return null;
    const checked = checkedPath(name);
    if (checked.problem !== null) throw badPatch(lineIndex, checked.problem);
    return checked;
  });
  const adjusted = [...new Set([...(old?.adjusted ?? []), ...(next?.adjusted ?? [])])];
  return { oldPath: old?.path ?? null, newPath: next?.path ?? null, adjusted };
}

export function namesDiffer(lineIndex: number, old: Buffer, next: Buffer): PyroError {
  const reason = `'${displayPath(old)}' and '${displayPath(next)}' are not the same file`;
  const hint =
    "Name one file on both sides; to rename it, use the lines 'rename from' and 'rename to' after 'diff --git'";
  return badPatch(lineIndex, reason, { hint });
}

/** Throws if the next line says that bytes differ, without saying how. */
export function refuseBinary(reader: PatchReader, path: Buffer | null): void {
  const line = reader.lines[reader.at] ?? "";
  if (!/^Binary files .* differ\r?\n?$/s.test(line)) return;
  const name = path ? ` to '${displayPath(path)}'` : "";
  throw new PyroError(
    "unsupported",
    `cannot apply patch${name}: line ${reader.at + 1} says that bytes differ, and the patch does not have them`,
    { hint: "Make the patch with 'git diff --binary', or write the file itself", details: { line: reader.at + 1 } },
  );
}
