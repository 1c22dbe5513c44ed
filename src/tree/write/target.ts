import { constants } from "node:fs";
import { link, lstat, open, rename, unlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { isDiskFull } from "../../host/files.ts";
import { look } from "../../host/named/look.ts";
import { shownPath } from "../../host/named/path.ts";

/** Refuses a path that something is at already, or that nothing can be written to. */
export async function requireFree(targetPath: string, signal: AbortSignal | undefined): Promise<void> {
  if (["", ".", "..", "/"].includes(basename(targetPath))) {
    throw new PyroError("invalid_argument", `cannot write '${targetPath}': it names no file or directory to make`, {
      hint: "Give a path that ends in a new name.",
    });
  }
  const parent = dirname(targetPath);
  const found = await look(parent, signal);
  if ("reason" in found) {
    const { code, reason, hint = "Choose a path in another directory.", cause } = found;
    if (cause !== undefined) throw cannotWrite(targetPath, cause);
    throw new PyroError(code, `cannot write into '${shownPath(parent)}': ${reason}`, { hint });
  }
  if (!found.isDirectory()) {
    throw new PyroError("failed_precondition", `cannot write '${targetPath}': '${parent}' is not a directory`, {
      hint: "Choose a path in a directory.",
    });
  }
  const isFree = await lstat(targetPath).then(
    () => false,
    (error: unknown) => {
      if (systemErrorCode(error) === "ENOENT") return true;
      throw cannotWrite(targetPath, error);
    },
  );
  if (!isFree) throw alreadyThere(targetPath);
}

/** Moves a complete file to its place, where nothing may exist. */
export async function publishFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(systemErrorCode(error) ?? "")) throw error;
    // Without hard links the name is taken first.
    await (await open(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)).close();
    await rename(from, to);
    return;
  }
  await unlink(from);
}

export function movedAway(targetPath: string): PyroError {
  return new PyroError(
    "failed_precondition",
    `cannot write '${targetPath}': its directory was moved or replaced meanwhile`,
    { hint: "Choose a path in a directory that stays, and try again." },
  );
}

function alreadyThere(targetPath: string, cause?: unknown): PyroError {
  return new PyroError("already_exists", `cannot write '${targetPath}': it exists already`, {
    hint: "Choose another path.",
    cause,
  });
}

export function cannotWrite(targetPath: string, error: unknown): PyroError {
  const refusal = (code: "resource_exhausted" | "not_found" | "failed_precondition", reason: string, hint: string) =>
    new PyroError(code, `cannot write '${targetPath}': ${reason}`, { hint, cause: error });
  if (isDiskFull(error)) {
    return refusal("resource_exhausted", "the disk is full", "Free some space, or choose another path.");
  }
  switch (systemErrorCode(error)) {
    case "EEXIST":
    case "ENOTEMPTY":
      return alreadyThere(targetPath, error);
    case "ENOENT":
      return refusal("not_found", "the directory it should be in does not exist", "Create that directory first.");
    case "ENOTDIR":
      return refusal("failed_precondition", "it should be in something that is no directory", "Choose another path.");
    case "EACCES":
    case "EPERM":
      return refusal("failed_precondition", "permission denied", "Choose a directory that you can write to.");
    case "EROFS":
      return refusal("failed_precondition", "the file system is read-only", "Choose another path.");
    case "ENAMETOOLONG":
      return refusal("failed_precondition", "its paths would be too long", "Choose a shorter path.");
    default:
      return new PyroError("internal", `cannot write '${targetPath}': ${messageOf(error)}`, { cause: error });
  }
}
