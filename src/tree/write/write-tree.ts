import { constants } from "node:fs";
import { link, lstat, mkdir, open, readlink, rename, rm, rmdir, symlink, unlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { throwIfCancelled } from "../../core/deadline.ts";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { isDiskFull } from "../../host/files.ts";
import { look } from "../../host/named/look.ts";
import { shownPath } from "../../host/named/path.ts";
import type { TreeItem, TreeLimits } from "../entry.ts";
import { type NoteStaging, openStaging, type StagingNote } from "./staging.ts";
import { TreeWriter, writeFailure } from "./tree-writer.ts";

export interface WriteOptions {
  readonly limits: TreeLimits;
  readonly signal?: AbortSignal | undefined;
  /** Keeps the path of an incomplete tree until the tree is complete or removed */
  readonly note?: NoteStaging;
}

export interface WrittenTree {
  readonly type: "file" | "directory" | "symlink";
  readonly entryCount: number;
  readonly contentBytes: number;
}

/**
 * Writes a guest's tree to a path that does not exist, completely or not at all. It replaces
 * nothing, even if something appears meanwhile, and writes nothing outside, whatever the items say.
 * The first item is the root, and parents come first. The source ends when `signal` aborts.
 */
export async function writeTree(
  items: AsyncIterable<TreeItem>,
  targetPath: string,
  { limits, signal, note = async () => noNote }: WriteOptions,
): Promise<WrittenTree> {
  await requireFree(targetPath, signal);
  const action = `cannot write '${targetPath}'`;
  const failure = (error: unknown) => writeFailure(action, error, (cause) => cannotWrite(targetPath, cause));
  await using staging = await openStaging(targetPath, note).catch((error: unknown) => {
    throw failure(error);
  });
  const writer = new TreeWriter({ root: staging.path, limits, keepSpecialBits: false, signal });
  try {
    await writer.write(items);
    writer.seal();
    throwIfCancelled(signal);
    if (!(await staging.isInPlace())) throw movedAway(targetPath);
    const type = await publish(staging.path, staging.targetPath, writer.type);
    return { type, entryCount: writer.entryCount, contentBytes: writer.contentBytes };
  } catch (error) {
    await discard(writer, staging.path);
    throw failure(error);
  }
}

const noNote: StagingNote = { path: "", async [Symbol.asyncDispose]() {} };

async function requireFree(targetPath: string, signal: AbortSignal | undefined): Promise<void> {
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

/** Moves the complete tree to its place, where nothing may exist. */
async function publish(from: string, to: string, type: TreeWriter["type"]): Promise<WrittenTree["type"]> {
  switch (type) {
    case "directory":
      await publishDirectory(from, to);
      return type;
    case "symlink":
      await symlink(await readlink(from, { encoding: "buffer" }), to);
      await unlink(from);
      return type;
    case "file":
      await publishFile(from, to);
      return type;
    default:
      throw new PyroError("internal", `cannot write '${to}': nothing was sent`);
  }
}

/**
 * Creates the folder first, because `rename` would replace another process's empty one. The rename
 * then fails if anything is put into it meanwhile.
 */
async function publishDirectory(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  try {
    await rename(from, to);
  } catch (error) {
    await rmdir(to).catch(() => {
      // It is another process's by now.
    });
    throw error;
  }
}

async function publishFile(from: string, to: string): Promise<void> {
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

async function discard(writer: TreeWriter, temporary: string): Promise<void> {
  try {
    writer.unseal();
  } catch {
    // This writer did not create a folder that it cannot make writable.
  }
  await rm(temporary, { recursive: true, force: true, maxRetries: 2 }).catch(() => {
    // The first failure says more.
  });
}

function movedAway(targetPath: string): PyroError {
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

function cannotWrite(targetPath: string, error: unknown): PyroError {
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
