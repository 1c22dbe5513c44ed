import { displayPath } from "../../name.ts";
import {
  type BlobIds,
  checkedPaths,
  type FileHeader,
  namesDiffer,
  type PatchKind,
  readSideLines,
  refuseBinary,
  type SideLines,
} from "./file-header.ts";
import { isWrittenAs, type NamePair, readTitleNames, readWholeName, withoutPrefixes } from "./patch-names.ts";
import { badPatch, isAtFileNames, type PatchReader, trimEnd } from "./patch-reader.ts";

interface ExtendedFields {
  kind?: PatchKind;
  from?: Buffer;
  to?: Buffer;
  oldMode?: number;
  newMode?: number;
  ids?: BlobIds;
}

/** The lines between `diff --git` and the hunks, by how they begin */
const extendedLines: Readonly<Record<string, (value: string, lineIndex: number) => ExtendedFields>> = {
  "old mode ": (value, lineIndex) => ({ oldMode: readMode(value, lineIndex) }),
  "new mode ": (value, lineIndex) => ({ newMode: readMode(value, lineIndex) }),
  "new file mode ": (value, lineIndex) => ({ kind: "add", newMode: readMode(value, lineIndex) }),
  "deleted file mode ": (value, lineIndex) => ({ kind: "delete", oldMode: readMode(value, lineIndex) }),
  "rename from ": (value, lineIndex) => ({ kind: "rename", from: readName(value, lineIndex) }),
  "rename to ": (value, lineIndex) => ({ kind: "rename", to: readName(value, lineIndex) }),
  "copy from ": (value, lineIndex) => ({ kind: "copy", from: readName(value, lineIndex) }),
  "copy to ": (value, lineIndex) => ({ kind: "copy", to: readName(value, lineIndex) }),
  "similarity index ": () => ({}),
  "dissimilarity index ": () => ({}),
  "index ": (value, lineIndex) => {
    const [, old, next, mode] = /^([0-9a-f]+)\.\.([0-9a-f]+)(?: (\d+))?$/.exec(value) ?? [];
    const ids = old !== undefined && next !== undefined ? { ids: { old, new: next } } : {};
    return mode === undefined ? ids : { ...ids, oldMode: readMode(mode, lineIndex) };
  },
};

const typeBits = 0o170000;
const linkMode = 0o120000;
const fileMode = 0o100000;

/** Reads from `diff --git` to the first hunk, which is optional. */
export function readGitHeader(reader: PatchReader): FileHeader {
  const lineIndex = reader.at++;
  const title = readTitleNames(trimEnd(reader.lines[lineIndex] ?? "").slice("diff --git ".length));
  const fields = readExtendedLines(reader);
  const sides = isAtFileNames(reader) ? readSideLines(reader) : null;
  const kind = fields.kind ?? kindOf(sides);
  const names = namesOf(fields, title ?? sides, lineIndex);
  const paths = checkedPaths(lineIndex, {
    old: kind === "add" ? null : names.old,
    new: kind === "delete" ? null : names.new,
  });
  refuseBinary(reader, paths.newPath ?? paths.oldPath);
  if (sides) checkSides(sides, paths.oldPath, paths.newPath);
  if (kind === "modify" && !names.old.equals(names.new)) throw namesDiffer(lineIndex, names.old, names.new);
  return { lineIndex, kind, ...paths, ...(fields.ids && { ids: fields.ids }), ...checkedModes(fields, lineIndex) };
}

function readExtendedLines(reader: PatchReader): ExtendedFields {
  const fields: ExtendedFields = {};
  for (; ; reader.at++) {
    const line = trimEnd(reader.lines[reader.at] ?? "");
    const found = Object.entries(extendedLines).find(([beginning]) => line.startsWith(beginning));
    if (!found) return fields;
    const [beginning, read] = found;
    Object.assign(fields, read(line.slice(beginning.length), reader.at));
  }
}

function kindOf(sides: SideLines | null): PatchKind {
  if (sides && !sides.old) return "add";
  return sides && !sides.new ? "delete" : "modify";
}

function namesOf(fields: ExtendedFields, written: NamePair | null, lineIndex: number): { old: Buffer; new: Buffer } {
  if (fields.kind === "rename" || fields.kind === "copy") {
    if (fields.from && fields.to) return { old: fields.from, new: fields.to };
    throw badPatch(lineIndex, `the ${fields.kind} needs a '${fields.kind} from' and a '${fields.kind} to' line`);
  }
  const names = written && withoutPrefixes(written);
  const [old, next] = [names?.old ?? names?.new, names?.new ?? names?.old];
  if (!old || !next) throw badPatch(lineIndex, "the names of the file cannot be told apart");
  return { old, new: next };
}

/** Checks that the names before the hunks are those of the lines above. */
function checkSides(sides: SideLines, oldPath: Buffer | null, newPath: Buffer | null): void {
  const pairs = [
    { lineIndex: sides.lineIndex, written: sides.old, path: oldPath },
    { lineIndex: sides.lineIndex + 1, written: sides.new, path: newPath },
  ];
  for (const { lineIndex, written, path } of pairs) {
    if (!written !== !path || (written && path && !isWrittenAs(written, path))) {
      const [is, wanted] = [written, path].map((name) => (name ? displayPath(name) : "/dev/null"));
      throw badPatch(lineIndex, `it names '${is}', the lines above say '${wanted}'`);
    }
  }
}

function checkedModes({ oldMode, newMode }: ExtendedFields, lineIndex: number) {
  if (oldMode !== undefined && newMode !== undefined && (oldMode & typeBits) !== (newMode & typeBits)) {
    const hint = "Delete the file and add the new one, as two files of the patch";
    throw badPatch(lineIndex, "a new mode cannot turn a file into a symbolic link or back", { hint });
  }
  return { ...(oldMode !== undefined && { oldMode }), ...(newMode !== undefined && { newMode }) };
}

/** A mode as git keeps it: a link or not, executable by its owner or not. */
function readMode(text: string, lineIndex: number): number {
  const mode = /^[0-7]{5,6}$/.test(text) ? Number.parseInt(text, 8) : 0;
  if ((mode & typeBits) === linkMode) return linkMode;
  if ((mode & typeBits) === fileMode) return mode & 0o100 ? 0o100755 : 0o100644;
  throw badPatch(lineIndex, `'${text}' is not the mode of a file (100644 or 100755) or a symbolic link (120000)`);
}

function readName(text: string, lineIndex: number): Buffer {
  const name = readWholeName(text);
  if (!name) throw badPatch(lineIndex, "the quoted name has no end, or an escape that git does not know");
  return name;
}
