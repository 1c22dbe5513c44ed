import { stat } from "node:fs/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { type FileStamp, sameStamp, stampFile } from "../../host/files.ts";
import {
  type ContentPiece,
  noContent,
  type SkippedEntry,
  seedLimits,
  type TreeItem,
  type TreeLimits,
} from "../entry.ts";
import { ByteSource, truncated } from "./bytes.ts";
import { unpacked } from "./compression/unpacked.ts";
import { type ArchiveFormat, archiveFormat, archiveNames } from "./format.ts";
import type { ArchiveMember } from "./member.ts";
import { ArchivePlan } from "./plan.ts";
import { tarMembers } from "./tar.ts";
import { type ZipReading, zipMembers } from "./zip.ts";

/** Limit for headers, padding and other data in an archive beside content */
const overheadBytes = 4 * 1024 ** 3;

/** An archive whose members are all harmless. */
export interface CheckedArchive {
  readonly entryCount: number;
  readonly contentBytes: number;
  /** Disk space of a copy in `bytes` */
  readonly diskBytes: number;
  readonly skipped: readonly SkippedEntry[];
  readonly stamp: FileStamp;
  /** The tree, folders first. Fails if the file has changed since the check */
  items(): AsyncIterable<TreeItem>;
}

export interface ArchiveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly limits?: TreeLimits;
}

interface Reading {
  readonly path: string;
  readonly format: ArchiveFormat;
  readonly limits: TreeLimits;
  readonly signal: AbortSignal | undefined;
  readonly zip: ZipReading["kept"];
}

/** Reads an archive to its end and refuses it if anything is wrong with it, before it is used. */
export async function readArchive(path: string, options: ArchiveOptions = {}): Promise<CheckedArchive> {
  const { signal, limits = seedLimits } = options;
  const stamp = await stampFile(path).catch((error: unknown) => {
    throw cannotOpen(path, error);
  });
  await requireFile(path);
  const format = await archiveFormat(path).catch((error: unknown) => {
    throw cannotOpen(path, error);
  });
  if (format === undefined) {
    throw new PyroError("invalid_argument", `cannot read archive '${path}': it is neither a tar nor a zip archive`, {
      hint: `Give a ${archiveNames} file, or a directory.`,
    });
  }
  const reading = { path, format, limits, signal, zip: {} };
  const plan = new ArchivePlan(path, limits, format.kind === "zip" ? "refused" : "last");
  for await (const member of membersOf(reading)) {
    plan.add(member);
    // A zip archive's members stand apart, and each is checked only if it is read.
    if (format.kind === "zip") for await (const _ of contentOf(reading, member));
  }
  const entries = plan.finish();
  await requireSame(path, stamp);
  return {
    entryCount: entries.length,
    contentBytes: entries.reduce((sum, { size }) => sum + size, 0),
    diskBytes: plan.diskBytes,
    skipped: plan.skipped,
    stamp,
    items: () => itemsOf(reading, stamp, plan),
  };
}

async function* itemsOf(reading: Reading, stamp: FileStamp, plan: ArchivePlan): AsyncGenerator<TreeItem> {
  await requireSame(reading.path, stamp);
  for (const entry of plan.directories) yield { ...entry, content: noContent };
  let index = 0;
  for await (const member of membersOf(reading)) {
    const entry = plan.entryAt(index);
    index += 1;
    if (!entry) continue;
    yield { ...entry, content: () => (entry.type === "file" ? contentOf(reading, member) : noContent()) };
  }
  await requireSame(reading.path, stamp);
}

async function* contentOf(reading: Reading, member: ArchiveMember): AsyncGenerator<ContentPiece> {
  try {
    yield* member.content();
  } catch (error) {
    throw unreadable(reading, error);
  }
}

async function* membersOf(reading: Reading): AsyncGenerator<ArchiveMember> {
  const { path, format, limits, signal, zip } = reading;
  throwIfCancelled(signal);
  try {
    if (format.kind === "zip") yield* zipMembers({ path, maxEntries: limits.maxEntries, signal, kept: zip });
    else yield* unpackedMembers(reading, format);
  } catch (error) {
    throw unreadable(reading, error);
  }
}

async function* unpackedMembers(
  { path, limits, signal }: Reading,
  { compression }: Extract<ArchiveFormat, { kind: "tar" }>,
): AsyncGenerator<ArchiveMember> {
  const source = new ByteSource(unpacked(path, compression, limits.maxBytes + overheadBytes, signal));
  try {
    yield* tarMembers(source);
    // What follows the archive's end is ignored, but a damaged rest of the stream is not.
    if (compression !== "none") await source.drain();
  } finally {
    await source.close();
  }
}

function unreadable({ path, signal }: Reading, error: unknown): PyroError {
  throwIfCancelled(signal);
  if (error instanceof PyroError) {
    return new PyroError(error.code, `cannot read archive '${path}': ${error.message}`, {
      hint: "Choose a smaller archive.",
    });
  }
  if (["EIO", "EACCES", "ESTALE"].includes(systemErrorCode(error) ?? "")) return cannotOpen(path, error);
  return new PyroError("invalid_argument", `cannot read archive '${path}': ${reasonOf(error)}`, {
    hint: "Create the archive again.",
    cause: error,
  });
}

/** Reasons of the libraries that are clearer in other words */
const clearer: readonly (readonly [message: RegExp, reason: string])[] = [
  [/^unexpected (?:end|eof)/i, truncated],
  [/^end of central directory record signature not found/i, "it is truncated: the directory at its end is missing"],
  [/^multi-disk zip/, "it is a part of a larger archive"],
  [/^strong encryption/, "it is encrypted"],
];

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (/^it (?:is|has|needs) /.test(message)) return message;
  const known = clearer.find(([pattern]) => pattern.test(message))?.[1];
  if (known !== undefined) return known;
  return `it is damaged: ${message.charAt(0).toLowerCase()}${message.slice(1).replace(/\. .*|\.$/, "")}`;
}

/** Opening a named pipe would wait for its other end. */
async function requireFile(path: string): Promise<void> {
  if ((await stat(path)).isFile()) return;
  throw new PyroError("invalid_argument", `cannot read archive '${path}': it is not a file`, {
    hint: `Give a ${archiveNames} file.`,
  });
}

function cannotOpen(path: string, error: unknown): PyroError {
  const code = systemErrorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new PyroError("not_found", `cannot read archive '${path}': it is not there`, {
      hint: "Give the path of a file that exists.",
      cause: error,
    });
  }
  return new PyroError("failed_precondition", `cannot read archive '${path}': ${messageOf(error)}`, {
    hint: "Give the path of a file that you can read.",
    cause: error,
  });
}

async function requireSame(path: string, stamp: FileStamp): Promise<void> {
  const now = await stampFile(path).catch(() => undefined);
  if (now && sameStamp(now, stamp)) return;
  throw new PyroError("failed_precondition", `cannot read archive '${path}': it was changed while it was read`, {
    hint: "Try again when nothing writes to the file.",
  });
}
