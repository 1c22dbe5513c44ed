import { crc32 } from "node:zlib";
import { type Entry, getFileNameLowLevel } from "yauzl";
import { type ArchiveEntry, type MemberProblem, maxTargetBytes, normalized, timeNs } from "./member.ts";

/** What a zip archive's directory says about a member, and where it is. */
export interface ZipRecord {
  readonly name: Buffer;
  /** Type and permissions as Unix has them; 0 if the archive does not say */
  readonly unixMode: number;
  readonly isDirectory: boolean;
  readonly isReadOnly: boolean;
  readonly isEncrypted: boolean;
  readonly method: number;
  readonly size: number;
  readonly packedBytes: number;
  readonly crc32: number;
  readonly mtimeMs: number;
  /** Offset of its own header, and of its content */
  readonly start: number;
  readonly dataStart: number;
}

/** Systems that made an archive, as its directory numbers them */
const systems = { fat: 0, unix: 3, osx: 19 } as const;

const directoryBit = 0x10;
const readOnlyBit = 0x01;
const utf8Flag = 0x800;
const unicodePath = 0x7075;

/** The upper bits of Unix's mode */
const unixTypes: Readonly<Record<number, ArchiveEntry["type"]>> = {
  1: "fifo",
  2: "character-device",
  4: "directory",
  6: "block-device",
  8: "file",
  10: "symlink",
};

const methods: Readonly<Record<number, string>> = {
  1: "Shrink",
  6: "Implode",
  9: "Deflate64",
  12: "bzip2",
  14: "LZMA",
  93: "Zstandard",
  95: "xz",
  98: "PPMd",
  99: "AES encryption",
};

export function zipRecord(entry: Entry, dataStart: number): ZipRecord {
  const system = entry.versionMadeBy >>> 8;
  const isUnix = system === systems.unix || system === systems.osx;
  const { externalFileAttributes: attributes } = entry;
  const name = nameOf(entry, system);
  return {
    name,
    unixMode: isUnix ? attributes >>> 16 : 0,
    isDirectory: name.at(-1) === 0x2f || (!isUnix && (attributes & directoryBit) !== 0),
    isReadOnly: !isUnix && (attributes & readOnlyBit) !== 0,
    isEncrypted: entry.isEncrypted(),
    method: entry.compressionMethod,
    size: entry.uncompressedSize,
    packedBytes: entry.compressedSize,
    crc32: entry.crc32,
    mtimeMs: entry.getLastModDate().getTime(),
    start: entry.relativeOffsetOfLocalHeader,
    dataStart,
  };
}

/** Whether its content is the text of a symbolic link. */
export function isLink(record: ZipRecord): boolean {
  return typeOf(record) === "symlink" && problemOf(record) === undefined;
}

/** `target`: the text of a symbolic link, unless it is too long. */
export function zipEntry(record: ZipRecord, target: Buffer | undefined): ArchiveEntry | MemberProblem {
  const problem = problemOf(record);
  if (problem) return problem;
  const { name, unixMode, isReadOnly, size, mtimeMs } = record;
  const type = typeOf(record) ?? "file";
  if (type === "directory" && size > 0) return { reason: "it is a directory with content" };
  if (type === "symlink" && !target) return { reason: `its target is longer than ${maxTargetBytes} bytes` };
  // Windows has no permissions but this one. Some programs on Unix store none either.
  const usual = type === "directory" ? 0o755 : isReadOnly ? 0o444 : 0o644;
  const entry = {
    path: normalized(name),
    type,
    mode: unixMode & 0o7777 || usual,
    size: type === "file" ? size : 0,
    mtimeNs: timeNs(Math.floor(mtimeMs / 1000)),
  };
  return target ? { ...entry, target } : entry;
}

function typeOf({ unixMode, isDirectory, size }: ZipRecord): ArchiveEntry["type"] | undefined {
  // A name that ends with a slash is a directory's, whatever else is said of it.
  if (isDirectory) return "directory";
  const stated = unixMode === 0 ? "file" : unixTypes[unixMode >>> 12 || 8];
  // zip stores what it reads from a pipe as the pipe's content.
  return stated === "fifo" && size > 0 ? "file" : stated;
}

function problemOf(record: ZipRecord): MemberProblem | undefined {
  const { isEncrypted, method, name } = record;
  if (isEncrypted) return { reason: "it is encrypted", hint: "Create the archive again without a password." };
  if (method !== 0 && method !== 8) {
    const known = methods[method];
    return {
      reason: `it is compressed with ${known ?? "a method that is not known"} (${method})`,
      hint: "Create the archive again with Deflate, which every zip program has.",
    };
  }
  if (name.length === 0) return { reason: "it has no name" };
  return typeOf(record) ? undefined : { reason: "it is of a kind that is not known, such as a socket" };
}

/**
 * The name's bytes: UTF-8 if it says so, as they are if Unix wrote them, else from the character
 * set of DOS. As in Info-ZIP, backslashes of DOS separate names unless there are slashes.
 */
function nameOf(entry: Entry, system: number): Buffer {
  const raw = entry.fileNameRaw;
  const name = unicodeName(entry) ?? ownName(raw, entry.generalPurposeBitFlag, system);
  if (system !== systems.fat || name.includes("/")) return name;
  return Buffer.from(name.map((byte) => (byte === 0x5c ? 0x2f : byte)));
}

function ownName(raw: Buffer, flags: number, system: number): Buffer {
  const isRaw = (flags & utf8Flag) !== 0 || system === systems.unix || system === systems.osx;
  return isRaw ? raw : Buffer.from(getFileNameLowLevel(0, raw, [], true));
}

/** A second name in UTF-8, which Info-ZIP adds. It counts if it was made for the first. */
function unicodeName({ fileNameRaw, extraFields }: Entry): Buffer | undefined {
  const field = extraFields.find(({ id, data }) => id === unicodePath && data.length > 5 && data[0] === 1)?.data;
  return field?.readUInt32LE(1) === crc32(fileNameRaw) ? field.subarray(5) : undefined;
}
