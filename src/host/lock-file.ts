import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import { capture } from "./process.ts";

const flockTimeoutMs = 10_000;

/** A lock that lives as long as any process has its file open: handing the descriptor to a child hands the lock over. */
export interface HeldLock extends AsyncDisposable {
  readonly fd: number;
}

/**
 * Takes the lock of a file at once, or not at all. `held`: somebody has it; `gone`: there is no such file, or it was removed before the lock
 * was ours.
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
    const outcome = await flockNow(path, file);
    if (outcome === "held" || !(await isStill(path, file))) {
      await file.close();
      return outcome === "held" ? "held" : "gone";
    }
    return { fd: file.fd, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Lets a child lock the file that it has in common with us. */
async function flockNow(path: string, file: FileHandle): Promise<"ours" | "held"> {
  const conflictExitCode = 75;
  const command = [
    "flock",
    "--exclusive",
    "--nonblock",
    "--conflict-exit-code",
    String(conflictExitCode),
    "3",
  ] as const;
  const { exitCode, stderr } = await capture([...command], { timeoutMs: flockTimeoutMs, extraFds: [file.fd] });
  if (exitCode === 0) return "ours";
  if (exitCode === conflictExitCode) return "held";
  throw new PyroError("unavailable", `cannot lock '${path}': ${stderr.trim() || `flock ended with ${exitCode}`}`, {
    hint: "Install the package util-linux.",
  });
}

async function isStill(path: string, file: FileHandle): Promise<boolean> {
  const ours = await file.stat();
  const named = await stat(path).catch(() => undefined);
  return named?.ino === ours.ino && named.dev === ours.dev;
}
