import { createHash, randomUUID } from "node:crypto";
import { type BigIntStats, createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as z from "zod";
import { messageOf, PyroError, systemErrorCode } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { explainMismatch, fromWire, toWire } from "../core/wire-case.ts";
import { syncFolder } from "./durable.ts";

/**
 * Creates a private folder (0700) and its parents, which then survive a power cut. It leaves an
 * existing folder as it is.
 */
export async function ensureDir(path: string): Promise<void> {
  try {
    await makeDir(path);
  } catch (error) {
    throw fileError(`cannot create folder '${path}'`, error);
  }
}

/**
 * Replaces Node's `recursive`, which loops for ever on a file system that always answers ENOENT
 * (/proc), and reports ENOENT for a read-only parent.
 */
async function makeDir(path: string): Promise<void> {
  const make = async () => {
    await mkdir(path, { mode: 0o700 });
    await syncFolder(dirname(path));
  };
  try {
    await make();
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (systemErrorCode(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeDir(dirname(path));
    // Another process may have been faster.
    await make().catch(async (again: unknown) => {
      if (systemErrorCode(again) !== "EEXIST" || !(await stat(path)).isDirectory()) throw again;
    });
  }
}

/** Names in a folder; none if it does not exist. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return [];
    throw fileError(`cannot read folder '${dir}'`, error);
  }
}

/**
 * Writes a record so that a reader, or a crash at any moment, sees the old one or the new one. When
 * it returns, the new one survives a power cut.
 */
export async function writeRecord<S extends z.ZodType>(path: string, schema: S, record: z.output<S>): Promise<void> {
  await ensureDir(dirname(path));
  await replaceRecord(path, schema, record, { isDurable: true });
}

/**
 * Like `writeRecord`, in a folder that must exist. Unless `isDurable`, it may still be the old one
 * that survives a power cut.
 */
export async function replaceRecord<S extends z.ZodType>(
  path: string,
  schema: S,
  record: z.output<S>,
  { isDurable }: { readonly isDurable: boolean },
): Promise<void> {
  await writeWhole(path, schema, record, { flush: true });
  if (!isDurable) return;
  await syncFolder(dirname(path)).catch((error: unknown) => {
    throw fileError(`cannot write '${path}'`, error);
  });
}

/**
 * Writes what can be found out again, so that other processes see all of it or nothing. A power cut
 * may leave it unreadable.
 */
export async function writeFact<S extends z.ZodType>(path: string, schema: S, fact: z.output<S>): Promise<void> {
  await ensureDir(dirname(path));
  await writeWhole(path, schema, fact, { flush: false });
}

async function writeWhole<S extends z.ZodType>(
  path: string,
  schema: S,
  record: z.output<S>,
  { flush }: { readonly flush: boolean },
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    const text = JSON.stringify(toWire(schema, record), null, 2);
    await writeFile(temporary, `${text}\n`, { mode: 0o600, flush });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(`cannot write '${path}'`, error);
  }
}

/**
 * A record as read from disk: absent and unreadable are states for the caller to handle, not
 * exceptions.
 */
export type RecordRead<T> =
  | { readonly status: "ok"; readonly record: T }
  | { readonly status: "absent" }
  | { readonly status: "unreadable"; readonly reason: string };

/**
 * Reads a record. `migrate` brings what an older version of pyro has written into the form of the
 * schema.
 */
export async function readRecord<S extends z.ZodType>(
  path: string,
  schema: S,
  migrate: (stored: unknown) => unknown = (stored) => stored,
): Promise<RecordRead<z.output<S>>> {
  try {
    return { status: "ok", record: fromWire(schema, migrate(JSON.parse(await readFile(path, "utf8")))) };
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return { status: "absent" };
    const reason = error instanceof z.ZodError ? explainMismatch(error) : messageOf(error);
    return { status: "unreadable", reason };
  }
}

/** SHA-256 of a file's content, as `sha256:HEX`. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) })) {
    hash.update(chunk as Buffer);
  }
  return `sha256:${hash.digest("hex")}`;
}

/**
 * Identifies a file's content without reading it. Any write, truncation or replacement changes at
 * least the ctime, which no unprivileged process can set.
 */
export const fileStampSchema = z.object({
  inode: z.string(),
  sizeBytes: z.number(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
});
export type FileStamp = z.output<typeof fileStampSchema>;

export async function stampFile(path: string): Promise<FileStamp> {
  return stampOf(await stat(path, { bigint: true }));
}

function stampOf(stats: BigIntStats): FileStamp {
  return {
    inode: stats.ino.toString(),
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs.toString(),
    ctimeNs: stats.ctimeNs.toString(),
  };
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.inode === b.inode && a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

export async function pathExists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return false;
    throw fileError(`cannot look at '${path}'`, error);
  }
}

export const freeSomeSpace = hint`Free some space, or ${toRun("env.prune")}.`;

/** Whether a system error says that the disk, or the user's quota of it, is full. */
export function isDiskFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(systemErrorCode(error) ?? "");
}

const folderHint = "Set PYRO_CACHE_DIR and PYRO_STATE_DIR to folders that you can write to.";

/** Translates a system error on a path into one with a hint. */
export function fileError(action: string, error: unknown): PyroError {
  const code = systemErrorCode(error) ?? "";
  const failed = (reason: string, hint = folderHint) =>
    new PyroError("failed_precondition", `${action}: ${reason}`, { hint, cause: error });
  if (isDiskFull(error)) {
    return new PyroError("resource_exhausted", `${action}: the disk is full`, { hint: freeSomeSpace, cause: error });
  }
  switch (code) {
    case "ENOTDIR":
    case "EEXIST":
      return failed("a file is in its place", "Move that file away, or set PYRO_CACHE_DIR to another folder.");
    case "ENOENT":
      return failed("the file system does not take it");
    case "EROFS":
      return failed("the file system is read-only");
    case "EACCES":
    case "EPERM":
      return failed("permission denied");
    case "EIO":
      return failed("the disk reports an error", "Look for the disk's errors in the kernel's log (`dmesg`).");
    default:
      return new PyroError("internal", `${action}: ${messageOf(error)}`, { cause: error });
  }
}

/** Codes of system errors that tell of the host's disk, and not of a fault in pyro */
const diskCodes = ["ENOSPC", "EDQUOT", "EROFS", "EIO"];

/** What a caller is told of a failure: one of the host's disk says what could not be done. */
export function explainDiskError(error: unknown): unknown {
  if (error instanceof PyroError || !diskCodes.includes(systemErrorCode(error) ?? "")) return error;
  const { syscall = "use", path, dest } = error as NodeJS.ErrnoException & { readonly dest?: string };
  const name = dest ?? path;
  const what = name === undefined ? "a file" : `'${name}'`;
  return fileError(`cannot ${plainNames[syscall] ?? syscall} ${what}`, error);
}

/** System calls whose names are no words */
const plainNames: Readonly<Record<string, string>> = {
  copyfile: "copy a file to",
  fdatasync: "sync",
  fsync: "sync",
  ftruncate: "cut",
  mkdir: "create folder",
  rm: "remove",
  rmdir: "remove",
  unlink: "remove",
  utime: "change the time of",
  chmod: "change the mode of",
};

/** The text of a file; empty if it does not exist yet. */
export async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return "";
    throw error;
  });
}
