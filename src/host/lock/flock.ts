import type { FileHandle } from "node:fs/promises";
import { PyroError } from "../../core/errors.ts";
import { type CaptureOptions, capture } from "../process.ts";

/**
 * An exit code that no failure has. A program between this process and `flock` could end with the
 * default, 1
 */
const conflictExitCode = 75;

export interface FlockOptions extends Pick<CaptureOptions, "timeoutMs" | "signal"> {
  /** Whether to wait for the holder of the lock. Only a call that does not wait answers `held` */
  readonly waits: boolean;
}

/**
 * Lets a child lock an open file that it shares with this process. The lock outlives the child and
 * ends when no process has the file open any more. `flock` is found through this process's own
 * PATH.
 */
export async function flock(
  path: string,
  file: FileHandle,
  { waits, ...limits }: FlockOptions,
): Promise<"ours" | "held"> {
  const atOnce = waits ? [] : ["--nonblock", "--conflict-exit-code", String(conflictExitCode)];
  const { exitCode, stderr } = await capture(["flock", "--exclusive", ...atOnce, "3"], {
    ...limits,
    extraFds: [file.fd],
  });
  if (exitCode === 0) return "ours";
  if (exitCode === conflictExitCode && !waits) return "held";
  if (exitCode === 127) {
    throw new PyroError("unavailable", `cannot lock '${path}': flock was not found`, {
      hint: "Install the package util-linux.",
    });
  }
  const reason = stderr.trim().split("\n").at(-1) || `flock ended with exit code ${exitCode}`;
  throw new PyroError("internal", `cannot lock '${path}': ${reason}`, { details: { exitCode, stderr } });
}
