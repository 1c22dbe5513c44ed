import { rm } from "node:fs/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { type NoteStaging, openStaging } from "./staging.ts";
import { cannotWrite, movedAway, publishFile, requireFree } from "./target.ts";

export interface WriteFileOptions {
  readonly signal?: AbortSignal | undefined;
  /** Keeps the path of an incomplete file until the file is complete or removed */
  readonly note: NoteStaging;
}

/**
 * Lets `fill` make a file under another name, and gives it a name that does not exist: complete or
 * not at all, also if this process is killed.
 */
export async function writeWholeFile<T>(
  targetPath: string,
  { signal, note }: WriteFileOptions,
  fill: (path: string) => Promise<T>,
): Promise<T> {
  await requireFree(targetPath, signal);
  const failure = (error: unknown) => (error instanceof PyroError ? error : cannotWrite(targetPath, error));
  await using staging = await openStaging(targetPath, note).catch((error: unknown) => {
    throw failure(error);
  });
  try {
    const filled = await fill(staging.path);
    throwIfCancelled(signal);
    if (!(await staging.isInPlace())) throw movedAway(targetPath);
    await publishFile(staging.path, staging.targetPath);
    return filled;
  } catch (error) {
    await rm(staging.path, { force: true }).catch(() => {
      // The first failure says more.
    });
    throw failure(error);
  }
}
