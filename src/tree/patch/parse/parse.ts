import { PyroError } from "../../../core/errors.ts";
import { splitLines } from "../text.ts";
import { isAtBegunFile, readBegunFile } from "./begin-patch.ts";
import { type BinaryChange, isAtBinary, readBinary } from "./binary-change.ts";
import { type FileHeader, refuseBinary } from "./file-header.ts";
import { readGitHeader } from "./git-header.ts";
import { type Hunk, readHunks } from "./hunk.ts";
import { badPatch, isAtFileNames, maxHunks, type PatchReader, trimEnd } from "./patch-reader.ts";
import { type PlainHeader, readPlainHeader } from "./plain-header.ts";
import { isAtBlock, readBlock, refuseLoneEnd } from "./search-replace.ts";

export const maxPatchBytes = 16 * 1024 * 1024;

/** The change of one file in a patch. */
export interface FilePatch extends Omit<FileHeader, "lineIndex"> {
  readonly hunks: readonly Hunk[];
  /** New content that is not described as lines */
  readonly binary?: BinaryChange;
  /** Whether a deleted file goes whatever is in it, so that the patch need not have its lines */
  readonly isWhole?: boolean;
}

/**
 * Reads a patch: a unified diff, with or without git's headers, blocks to search and replace, or
 * the format of OpenAI's models. It ignores lines outside its files, such as a mail around it. A
 * file may occur several times, which `planPatch` resolves.
 */
export function parsePatch(text: string): FilePatch[] {
  checkText(text);
  const reader: PatchReader = { lines: splitLines(text), at: 0, hunksLeft: maxHunks };
  const patches: FilePatch[] = [];
  while (reader.at < reader.lines.length) {
    const patch = readFile(reader, patches.at(-1));
    if (patch) patches.push(patch);
    else reader.at++;
  }
  if (patches.length > 0) return patches;
  throw new PyroError("invalid_argument", "cannot read patch: it changes no file", {
    hint: "Send a unified diff as 'git diff' prints it, with '--- a/file', '+++ b/file' and '@@' lines",
  });
}

function checkText(text: string): void {
  if (Buffer.byteLength(text) > maxPatchBytes) {
    const message = `cannot read patch: it is larger than ${maxPatchBytes / 1024 / 1024} MiB`;
    throw new PyroError("invalid_argument", message, { details: { maxBytes: maxPatchBytes } });
  }
  // Half of a surrogate pair, which JSON can express, would become another character in the file.
  if (text.includes("\0") || /\p{Surrogate}/u.test(text)) {
    throw new PyroError("invalid_argument", "cannot read patch: it is not UTF-8 text");
  }
}

/** Reads the part of one file; null for a line that is not part of a patch. */
function readFile(reader: PatchReader, previous: FilePatch | undefined): FilePatch | null {
  const line = reader.lines[reader.at] ?? "";
  if (isAtBegunFile(reader)) return readBegunFile(reader);
  if (isAtBlock(reader)) return readBlock(reader, previous?.newPath ?? null);
  if (line.startsWith("diff --git ")) return readGitFile(reader);
  if (isAtFileNames(reader)) return readPlainFile(reader);
  refuseBinary(reader, null);
  refuseLoneEnd(reader);
  if (/^\*\*\* \w+ (?:File|to): /.test(line)) {
    throw badPatch(
      reader.at,
      `'${trimEnd(line).slice(0, 60)}' is none of '*** Add', '*** Update' and '*** Delete File: …'`,
    );
  }
  if (/^@@(?: |\r?$)/m.test(line)) {
    throw badPatch(reader.at, "this hunk has no '--- a/file' and '+++ b/file' lines above it that name its file");
  }
  return null;
}

function readGitFile(reader: PatchReader): FilePatch {
  const { lineIndex, ...header } = readGitHeader(reader);
  if (isAtBinary(reader)) return { ...header, hunks: [], binary: readBinary(reader, header.ids) };
  const hunks = readHunks(reader);
  if (hunks.length === 0 && header.kind === "modify" && header.newMode === undefined) {
    throw badPatch(lineIndex, "the file has no hunk, and no other change");
  }
  return { ...header, hunks };
}

function readPlainFile(reader: PatchReader): FilePatch {
  const { lineIndex, perhaps, ...header } = readPlainHeader(reader);
  const hunks = readHunks(reader);
  if (hunks.length === 0) throw badPatch(lineIndex, "no hunk follows these names, which would begin with '@@'");
  return { ...header, ...(perhaps && absence(header, perhaps, hunks)), hunks };
}

function absence(
  header: Pick<PlainHeader, "oldPath" | "newPath">,
  perhaps: "add" | "delete",
  hunks: readonly Hunk[],
): Pick<FilePatch, "kind" | "oldPath" | "newPath"> | null {
  const side = perhaps === "add" ? "oldLines" : "newLines";
  if (hunks.some((hunk) => hunk[side].length > 0)) return null;
  return perhaps === "add"
    ? { kind: "add", oldPath: null, newPath: header.newPath }
    : { kind: "delete", oldPath: header.oldPath, newPath: null };
}
