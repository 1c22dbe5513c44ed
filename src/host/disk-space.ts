import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { pathExists } from "./files.ts";

/** A mounted file system and its free space. */
export interface Volume {
  /** Equal for paths on the same file system */
  readonly id: number;
  /** Free space for an ordinary user, in `bytes` */
  readonly freeBytes: number;
}

/** The file system that holds `path` or its nearest existing parent. */
export async function volumeOf(path: string): Promise<Volume> {
  const existing = await nearestExisting(path);
  const [{ dev }, { bavail, bsize }] = await Promise.all([stat(existing), statfs(existing)]);
  return { id: dev, freeBytes: bavail * bsize };
}

async function nearestExisting(path: string): Promise<string> {
  let existing = path;
  while (!(await pathExists(existing))) existing = dirname(existing);
  return existing;
}

export async function freeBytes(path: string): Promise<number> {
  return (await volumeOf(path)).freeBytes;
}

/** The C library's words for a full disk, in the standard error of a program. */
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
