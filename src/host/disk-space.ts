import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, PyroError, systemErrorCode } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";

/** A mounted file system and its free space. */
export interface Volume {
  /** Equal for paths on the same file system */
  readonly id: number;
  /** Free space for an ordinary user, in `bytes` */
  readonly freeBytes: number;
}

/** The file system that holds `path` or its nearest existing parent. */
export async function volumeOf(path: string): Promise<Volume> {
  try {
    const [{ dev }, { bavail, bsize }] = await Promise.all([stat(path), statfs(path)]);
    return { id: dev, freeBytes: bavail * bsize };
  } catch (error) {
    const isMissing = ["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "");
    if (isMissing && dirname(path) !== path) return volumeOf(dirname(path));
    const message = `cannot look at '${path}': ${messageOf(error)}`;
    throw new PyroError("failed_precondition", message, {
      hint: "Set PYRO_CACHE_DIR to a folder that you can write to.",
      cause: error,
    });
  }
}

export async function freeBytes(path: string): Promise<number> {
  return (await volumeOf(path)).freeBytes;
}

export const freeSomeSpace = hint`Free some space, or ${toRun("env.prune")}.`;

/** Whether a system error says that the disk, or the user's quota of it, is full. */
export function isDiskFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(systemErrorCode(error) ?? "");
}

/** The C library's words for the same, in the standard error of a program. */
export const diskFullWords = /No space left on device|Disk quota exceeded/i;

export function saysDiskFull(stderr: string): boolean {
  return diskFullWords.test(stderr);
}

/**
 * Refuses work for which the disk has too little free space, with the figures. `failure` begins the
 * message.
 */
export async function requireFreeBytes(failure: string, dir: string, neededBytes: number): Promise<void> {
  const free = await freeBytes(dir);
  if (free >= neededBytes) return;
  const mib = (bytes: number) => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  throw new PyroError(
    "resource_exhausted",
    `${failure}: needs ${mib(neededBytes)} free under '${dir}', has ${mib(free)}`,
    { hint: hint`Free some space, ${toRun("env.prune")}, or set PYRO_CACHE_DIR to a folder on a larger disk.` },
  );
}
