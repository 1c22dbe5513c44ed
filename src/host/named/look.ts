import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { type ErrorCode, messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import type { Hint } from "../../core/hint.ts";
import { readOutput } from "../program-output.ts";
import { hostPathProblem, shownPath } from "./path.ts";
import { pseudoFileSystemOf, pseudoReason } from "./pseudo.ts";

/**
 * Limit for a file system to say what is at a path. A disk takes milliseconds, or a second to spin
 * up
 */
const answerTimeoutMs = 3_000;

export interface LookOptions {
  /** Verb and noun of the message: `cannot read seed` */
  readonly action: string;
  /** What to do if the path is no use */
  readonly hint: string | Hint;
  readonly signal?: AbortSignal | undefined;
}

/** Why a path that a user named is no use. */
export interface NamedProblem {
  readonly code: ErrorCode;
  readonly reason: string;
  /** What to do instead of what the caller advises */
  readonly hint?: string;
  /** The system error that says so */
  readonly cause?: unknown;
}

/**
 * Looks at a path that a user named. No use is one that does not exist, whose file system does not
 * answer, or that is in a pseudo file system.
 */
export async function look(path: string, signal?: AbortSignal): Promise<Stats | NamedProblem> {
  const reason = hostPathProblem(path);
  if (reason !== undefined) return { code: "invalid_argument", reason };
  const silence = await silenceOf(path, signal);
  if (silence) return silence;
  try {
    const stats = await stat(path);
    const fileSystem = await pseudoFileSystemOf(path);
    return fileSystem === undefined ? stats : { code: "invalid_argument", reason: pseudoReason(fileSystem) };
  } catch (error) {
    return explained(error);
  }
}

/** Like `look`, for a path that must be of use. */
export async function lookAtNamed(path: string, options: LookOptions): Promise<Stats> {
  const found = await look(path, options.signal);
  if (!("reason" in found)) return found;
  const { code, reason, hint = options.hint, cause } = found;
  throw namedError(path, { ...options, hint }, code, reason, cause);
}

/**
 * Asks the file system through another process. A file system that hangs, such as one whose server
 * has gone, would keep a thread of this process, and then this process itself, from ending.
 */
async function silenceOf(path: string, signal: AbortSignal | undefined): Promise<NamedProblem | undefined> {
  try {
    await readOutput(["stat", "--dereference", "--", path], { timeoutMs: answerTimeoutMs, signal, onOutput: () => {} });
  } catch (error) {
    if (!(error instanceof PyroError) || error.code === "cancelled") throw error;
    // Without the program nothing is known, and most file systems answer.
    if (error.code !== "timeout") return undefined;
    const reason = `its file system has not answered for ${answerTimeoutMs / 1000} s`;
    return { code: "timeout", reason, hint: "Check what is mounted there, and try again." };
  }
  return undefined;
}

/** An error about a path that a user named. */
export function namedError(
  path: string,
  { action, hint }: LookOptions,
  code: ErrorCode,
  reason: string,
  cause?: unknown,
): PyroError {
  return new PyroError(code, `${action} '${shownPath(path)}': ${reason}`, { hint, cause });
}

const reasons: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ["not_found", "it is not there"],
  ENOTDIR: ["not_found", "it is not there"],
  EACCES: ["failed_precondition", "permission denied"],
  EPERM: ["failed_precondition", "permission denied"],
  ENAMETOOLONG: ["invalid_argument", "it is longer than Linux takes"],
  ELOOP: ["failed_precondition", "it is a symbolic link that leads back to itself"],
  // Nothing listens to a socket, and no driver answers for a device.
  ENXIO: ["invalid_argument", "it cannot be opened as a file"],
  ESTALE: ["failed_precondition", "its file system was taken away"],
  ENOTCONN: ["failed_precondition", "the server of its file system has gone"],
  EIO: ["failed_precondition", "it cannot be read from its disk"],
};

/** Translates a system error on a path that a user named. */
export function explain(path: string, options: LookOptions, error: unknown): PyroError {
  const { code, reason } = explained(error);
  return namedError(path, options, code, reason, error);
}

function explained(error: unknown): NamedProblem {
  const [code, reason] = reasons[systemErrorCode(error) ?? ""] ?? ["failed_precondition", messageOf(error)];
  return { code, reason, cause: error };
}

/** What is at a path, if it is neither a file nor a directory: `a pipe`. */
export function oddKind(stats: Stats): string | undefined {
  if (stats.isFIFO()) return "a pipe";
  if (stats.isSocket()) return "a socket";
  if (stats.isBlockDevice()) return "a block device";
  if (stats.isCharacterDevice()) return "a character device";
  return undefined;
}
