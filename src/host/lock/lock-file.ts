import { constants } from "node:fs";
import { type FileHandle, open, readFile, stat, writeFile } from "node:fs/promises";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { identifyProcess } from "../process-identity.ts";
import { flock } from "./flock.ts";

const flockTimeoutMs = 10_000;

/**
 * A lock that lives as long as any process has its file open. A child that inherits the descriptor
 * has the lock.
 */
export interface HeldLock extends AsyncDisposable {
  readonly fd: number;
}

/**
 * Takes the lock of a file at once, or not at all. `held`: another process has it. `gone`: the file
 * does not exist, or another process removed it before this one had the lock.
 */
export async function tryLockFile(path: string): Promise<HeldLock | "held" | "gone"> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDWR);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return "gone";
    throw error;
  }
  try {
    const outcome = await lockOpen(path, file);
    if (outcome !== "ours") {
      await file.close();
      return outcome;
    }
    return { fd: file.fd, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Notes what the holder of a lock does, for messages to processes that wait: `building a template`
 */
export async function signLockFile(path: string, purpose: string): Promise<void> {
  await writeFile(path, `${process.pid} ${purpose}\n`, { flag: "r+" });
}

/** The process that has signed a lock, and what it does; undefined if it has ended. */
export async function signerOfLock(path: string): Promise<string | undefined> {
  const [, pid, purpose] = /^(\d+) (.+)/.exec(await readFile(path, "utf8").catch(() => "")) ?? [];
  if (pid === undefined || !(await identifyProcess(Number(pid)))) return undefined;
  return `process ${pid}, which is ${purpose}`;
}

/** A lock that this process is taking. A child that inherits the descriptor shares the lock. */
export interface PendingLock extends HeldLock {
  /** Resolves once the lock is held, and fails if it cannot be */
  readonly taken: Promise<void>;
}

/** Creates a file and takes its lock. */
export async function createLockFile(path: string): Promise<PendingLock> {
  const file = await open(path, "wx+", 0o600);
  const taken = lockOpen(path, file).then((outcome) => {
    if (outcome !== "ours") throw new PyroError("internal", `cannot lock '${path}': another process was faster`);
  });
  const settled = taken.catch(() => {
    // The caller that needs the lock gets the error.
  });
  return {
    fd: file.fd,
    taken,
    async [Symbol.asyncDispose]() {
      await settled;
      await file.close();
    },
  };
}

async function lockOpen(path: string, file: FileHandle): Promise<"ours" | "held" | "gone"> {
  const outcome = await flock(path, file, { waits: false, timeoutMs: flockTimeoutMs });
  return outcome === "held" || (await isStill(path, file)) ? outcome : "gone";
}

async function isStill(path: string, file: FileHandle): Promise<boolean> {
  const ours = await file.stat();
  const named = await stat(path).catch(() => undefined);
  return named?.ino === ours.ino && named.dev === ours.dev;
}
