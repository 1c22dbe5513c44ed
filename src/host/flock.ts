import type { FileHandle } from "node:fs/promises";
import { PyroError } from "../core/errors.ts";
import { type CaptureOptions, capture } from "./process.ts";

/** Any that no failure has: the default, 1, is what a program between us and `flock` would end with */
const conflictExitCode = 75;

export interface FlockOptions extends Pick<CaptureOptions, "timeoutMs" | "signal"> {
  /** Whether to wait for whoever has the lock; `held` is only said without */
  readonly waits: boolean;
}

/**
 * Lets a child lock a file that it has in common with us: the lock stays when the child ends, and goes when nobody has the file open any more.
 * `flock` is found through this process's own PATH.
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
