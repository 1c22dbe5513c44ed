import { mkdir, readlink, rename, rm, rmdir, symlink, unlink } from "node:fs/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import type { TreeItem, TreeLimits } from "../entry.ts";
import { type NoteStaging, noNote, openStaging } from "./staging.ts";
import { cannotWrite, movedAway, publishFile, requireFree } from "./target.ts";
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
