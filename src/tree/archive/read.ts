import { stat } from "node:fs/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { type FileStamp, sameStamp, stampFile } from "../../host/files.ts";
import { blocksFor, noContent, type SkippedEntry, seedLimits, type TreeItem, type TreeLimits } from "../entry.ts";
import { ArchivePlan } from "./plan.ts";
import { type ArchiveKind, archiveKind, type TarMember, tarMembers } from "./tar-file.ts";

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
  readonly kind: ArchiveKind;
  readonly limits: TreeLimits;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads a tar archive to its end and refuses it if anything is wrong with it, before it is used.
 */
export async function readArchive(path: string, options: ArchiveOptions = {}): Promise<CheckedArchive> {
  const { signal, limits = seedLimits } = options;
  const stamp = await stampFile(path).catch((error: unknown) => {
    throw cannotOpen(path, error);
  });
  await requireFile(path);
  const kind = await archiveKind(path).catch((error: unknown) => {
    throw cannotOpen(path, error);
  });
  if (kind === undefined) {
    throw new PyroError("invalid_argument", `cannot read archive '${path}': it is neither a tar nor a tar.gz archive`, {
      hint: "Give a .tar, .tar.gz or .tgz file, or a directory.",
    });
  }
  const reading = { path, kind, limits, signal };
  const plan = new ArchivePlan(path, limits);
  for await (const member of membersOf(reading)) plan.add(member.header);
  const entries = plan.finish();
  await requireSame(path, stamp);
  return {
    entryCount: entries.length,
    contentBytes: entries.reduce((sum, { size }) => sum + size, 0),
    diskBytes: entries.reduce((sum, { size }) => sum + 512 + blocksFor(size), 0),
    skipped: plan.skipped,
    stamp,
    items: () => itemsOf(reading, stamp, plan),
  };
}

async function* itemsOf(reading: Reading, stamp: FileStamp, plan: ArchivePlan): AsyncGenerator<TreeItem> {
  await requireSame(reading.path, stamp);
  for (const entry of plan.directories) yield { ...entry, content: noContent };
  let index = 0;
  for await (const { body } of membersOf(reading)) {
    const entry = plan.entryAt(index);
    index += 1;
    if (!entry) continue;
    yield { ...entry, content: () => (entry.type === "file" ? contentOf(reading, body) : noContent()) };
  }
  await requireSame(reading.path, stamp);
}

async function* contentOf(reading: Reading, body: TarMember["body"]): AsyncGenerator<{ data: Buffer }> {
  try {
    for await (const data of body) yield { data };
  } catch (error) {
    throw unreadable(reading, error);
  }
}

async function* membersOf(reading: Reading): AsyncGenerator<TarMember> {
  const { path, kind, limits, signal } = reading;
  throwIfCancelled(signal);
  try {
    yield* tarMembers(path, kind, limits.maxBytes + overheadBytes, signal);
  } catch (error) {
    throw unreadable(reading, error);
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

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (/^it is/.test(message)) return message;
  if (/unexpected end/i.test(message)) return "it is truncated";
  return `it is damaged: ${message.charAt(0).toLowerCase()}${message.slice(1).replace(/\. .*|\.$/, "")}`;
}

/** Opening a named pipe would wait for its other end. */
async function requireFile(path: string): Promise<void> {
  if ((await stat(path)).isFile()) return;
  throw new PyroError("invalid_argument", `cannot read archive '${path}': it is not a file`, {
    hint: "Give a .tar, .tar.gz or .tgz file.",
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
