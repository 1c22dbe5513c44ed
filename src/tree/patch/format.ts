import type { EntryType } from "../entry.ts";
import { quoteName } from "../name.ts";
import { binaryPatch, blobId } from "./binary/write.ts";
import { diffHunks } from "./line-diff.ts";
import { isText } from "./text.ts";

export interface ChangeSide {
  readonly type: EntryType;
  /** Permission bits */
  readonly mode: number;
  /** Bytes of a file or target of a symbolic link; undefined if they are too many */
  readonly content?: Buffer | undefined;
}

export interface Change {
  readonly path: Buffer;
  readonly status: "added" | "modified" | "deleted" | "type_changed";
  readonly old: ChangeSide | null;
  readonly new: ChangeSide | null;
}

export interface FormattedChange {
  /**
   * The change as a text patch; null for bytes, for unknown content, and if git would see no change
   */
  readonly textPatch: string | null;
  /**
   * Its part of the whole patch, with `GIT binary patch` for bytes; null if git would see no change
   */
  readonly patch: string | null;
}

/** A file or a symbolic link as git keeps it. */
interface Blob {
  readonly gitMode: string;
  readonly content: Buffer | undefined;
}

const empty = Buffer.alloc(0);
const noBlobId = "0".repeat(40);

/**
 * Writes a change as `git diff --no-index --binary --no-renames` does. Sides of unknown content
 * count as different. `git apply` refuses such a patch, as it does git's own.
 */
export function formatChange(change: Change): FormattedChange {
  const [before, after] = [blobOf(change.old), blobOf(change.new)];
  const pieces =
    before && after && isLink(before) !== isLink(after)
      ? [formatBlobs(change.path, before, null), formatBlobs(change.path, null, after)]
      : [formatBlobs(change.path, before, after)];
  const patch = pieces.map((piece) => piece.patch).join("");
  if (patch === "") return { textPatch: null, patch: null };
  return { textPatch: pieces.every((piece) => piece.isText) ? patch : null, patch };
}

function blobOf(side: ChangeSide | null): Blob | null {
  if (side?.type === "symlink") return { gitMode: "120000", content: side.content };
  if (side?.type !== "file") return null;
  // Git looks at the owner's bit only, too.
  return { gitMode: side.mode & 0o100 ? "100755" : "100644", content: side.content };
}

function isLink(blob: Blob): boolean {
  return blob.gitMode === "120000";
}

interface Piece {
  readonly patch: string;
  readonly isText: boolean;
}

function formatBlobs(path: Buffer, before: Blob | null, after: Blob | null): Piece {
  const names = {
    old: before ? prefixed("a/", path) : "/dev/null",
    new: after ? prefixed("b/", path) : "/dev/null",
  };
  const modes = formatModes(before, after);
  const body = formatContents(names, before, after);
  if (modes === "" && body.patch === "") return { patch: "", isText: true };
  const title = `diff --git ${prefixed("a/", path)} ${prefixed("b/", path)}\n`;
  return { patch: title + modes + body.patch, isText: body.isText };
}

function formatModes(before: Blob | null, after: Blob | null): string {
  if (!before) return after ? `new file mode ${after.gitMode}\n` : "";
  if (!after) return `deleted file mode ${before.gitMode}\n`;
  return before.gitMode === after.gitMode ? "" : `old mode ${before.gitMode}\nnew mode ${after.gitMode}\n`;
}

function formatContents(names: { old: string; new: string }, before: Blob | null, after: Blob | null): Piece {
  const oldContent = before ? before.content : empty;
  const newContent = after ? after.content : empty;
  if (!oldContent || !newContent) {
    return { patch: `Binary files ${names.old} and ${names.new} differ\n`, isText: false };
  }
  const bothText = isText(oldContent) && isText(newContent);
  if (before && after && oldContent.equals(newContent)) return { patch: "", isText: bothText };
  if (!before && !after) return { patch: "", isText: true };
  const index = formatIndex(before, after, bothText ? 7 : 40);
  if (!bothText) return { patch: index + binaryPatch(oldContent, newContent), isText: false };
  const hunks = diffHunks(oldContent.toString(), newContent.toString());
  const header = `--- ${terminated(names.old)}\n+++ ${terminated(names.new)}\n`;
  return { patch: index + (hunks === "" ? "" : header + hunks), isText: true };
}

function formatIndex(before: Blob | null, after: Blob | null, digits: number): string {
  const [oldId, newId] = [before, after].map((blob) => (blob?.content ? blobId(blob.content) : noBlobId));
  const mode = before?.gitMode === after?.gitMode ? ` ${after?.gitMode}` : "";
  return `index ${oldId?.slice(0, digits)}..${newId?.slice(0, digits)}${mode}\n`;
}

function prefixed(prefix: string, path: Buffer): string {
  return quoteName(Buffer.concat([Buffer.from(prefix), path]));
}

/** Programs other than git read text after a space as a timestamp, unless a tab ends the name. */
function terminated(name: string): string {
  return name.includes(" ") ? `${name}\t` : name;
}
