import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../../core/errors.ts";
import { ensureDir, fileError, isDiskFull } from "../files.ts";
import { flock } from "./flock.ts";
import { signerOfLock } from "./lock-file.ts";

export interface LockRequest {
  readonly dir: string;
  /** File name of the lock; letters, digits, dots and dashes */
  readonly name: string;
  /** The holder's work, for messages to waiting processes: `building a template of debian:12` */
  readonly purpose: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once if another process holds the lock */
  readonly onWait?: (holder: string) => void;
}

/** Time before a waiting process reports the holder */
const quietWaitMs = 300;

/**
 * Runs `work` while no other process on this host holds the lock. The kernel holds it (flock) for a
 * file that only this process has open, so a crash leaves no stale lock.
 */
export async function withLock<T>(request: LockRequest, work: () => Promise<T>): Promise<T> {
  await ensureDir(request.dir);
  const path = join(request.dir, `${request.name}.lock`);
  await using file = await openLock(path);
  await acquire(path, file, request);
  try {
    await sign(path, file, request.purpose);
    return await work();
  } finally {
    await file.truncate().catch(() => {
      // At worst a waiting process reports the previous holder.
    });
  }
}

async function openLock(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a", 0o600);
  } catch (error) {
    throw cannotLock(path, error);
  }
}

async function acquire(path: string, file: FileHandle, { timeoutMs, signal, onWait }: LockRequest): Promise<void> {
  let isWaiting = true;
  const notice = setTimeout(async () => {
    const holder = await describeHolder(path);
    if (isWaiting) onWait?.(holder);
  }, quietWaitMs);
  try {
    await flock(path, file, { waits: true, timeoutMs, signal });
  } catch (error) {
    if (!(error instanceof PyroError) || error.code !== "timeout") throw error;
    throw new PyroError("timeout", `timed out after ${timeoutMs / 1000} s waiting for ${await describeHolder(path)}`, {
      hint: "Wait for the other process to finish, or stop it, and try again.",
    });
  } finally {
    isWaiting = false;
    clearTimeout(notice);
  }
}

/** Records the holder of the lock. */
async function sign(path: string, file: FileHandle, purpose: string): Promise<void> {
  try {
    await file.truncate();
    await file.writeFile(`${process.pid} ${purpose}\n`);
  } catch (error) {
    // The lock holds without the record, and work that frees a full disk needs it.
    if (!isDiskFull(error)) throw cannotLock(path, error);
  }
}

function cannotLock(path: string, error: unknown): PyroError {
  return fileError(`cannot lock '${path}'`, error);
}

async function describeHolder(path: string): Promise<string> {
  return (await signerOfLock(path)) ?? `the holder of '${path}'`;
}
