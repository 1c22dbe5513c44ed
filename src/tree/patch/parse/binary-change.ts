import { constants, inflateSync } from "node:zlib";
import { decodeBase85 } from "../binary/base85.ts";
import type { BlobIds } from "./file-header.ts";
import { badPatch, type PatchReader, trimEnd } from "./patch-reader.ts";

/** New content of a file as git's binary patches have it. */
export interface BinaryChange {
  /** Whether `data` is the content, or git's delta that makes it from the old content */
  readonly method: "literal" | "delta";
  readonly data: Buffer;
  /** Git's full ids of both contents, of zeros for a missing file */
  readonly ids: BlobIds;
}

/** Limit of a content or a delta, as of a file that is patched as text */
const maxDataBytes = 16 * 1024 * 1024;

/** Whether the next line begins a change of bytes. */
export function isAtBinary({ lines, at }: PatchReader): boolean {
  return trimEnd(lines[at] ?? "") === "GIT binary patch";
}

/** Reads the new bytes, and leaves out the old ones below them, which are there to take it back. */
export function readBinary(reader: PatchReader, ids: BlobIds | undefined): BinaryChange {
  const lineIndex = reader.at++;
  if (!ids || !isFullId(ids.old) || !isFullId(ids.new)) {
    throw badPatch(lineIndex, "a binary patch needs an 'index' line with both ids in full above it", {
      hint: "Make the patch with 'git diff --binary'",
    });
  }
  const forward = readData(reader);
  if (!forward) throw badPatch(reader.at, "neither 'literal' nor 'delta' and a size follow");
  readData(reader);
  return { ...forward, ids };
}

/** SHA-1 or SHA-256 */
function isFullId(id: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(id);
}

function readData(reader: PatchReader): Pick<BinaryChange, "method" | "data"> | null {
  const lineIndex = reader.at;
  const match = /^(literal|delta) (\d{1,12})$/.exec(trimEnd(reader.lines[lineIndex] ?? ""));
  if (!match) return null;
  reader.at++;
  const pieces: Buffer[] = [];
  for (; ; reader.at++) {
    const line = trimEnd(reader.lines[reader.at] ?? "");
    if (line === "") break;
    const piece = decodeLine(line);
    if (!piece) throw badPatch(reader.at, "it is no line of a binary patch: its length or a character is wrong");
    pieces.push(piece);
  }
  reader.at++;
  const data = inflate(Buffer.concat(pieces), Number(match[2]), lineIndex);
  return { method: match[1] === "delta" ? "delta" : "literal", data };
}

/** The first character says how many bytes a line has: A to Z are 1 to 26, a to z 27 to 52. */
function decodeLine(line: string): Buffer | null {
  const letter = line.charCodeAt(0);
  const length = /^[A-Z]/.test(line) ? letter - 0x40 : letter - 0x60 + 26;
  if (!/^[A-Za-z]/.test(line) || line.length - 1 !== Math.ceil(length / 4) * 5) return null;
  return decodeBase85(line.slice(1))?.subarray(0, length) ?? null;
}

function inflate(packed: Buffer, size: number, lineIndex: number): Buffer {
  if (size > maxDataBytes) {
    throw badPatch(lineIndex, `it has ${size} bytes, more than the limit of ${maxDataBytes / 1024 / 1024} MiB`);
  }
  try {
    const data = inflateSync(packed, { maxOutputLength: size + 1, finishFlush: constants.Z_FINISH });
    if (data.length === size) return data;
  } catch {
    // Told below: whatever zlib says, the patch is damaged.
  }
  throw badPatch(lineIndex, `the lines below are damaged: they do not unpack to ${size} bytes`);
}
