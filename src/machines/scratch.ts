import { chmod, constants, copyFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../core/errors.ts";
import { ensureDir } from "../host/files.ts";

/** Scratch files have a name for a few milliseconds, so a crash left one that is this old */
const abandonedAfterMs = 60_000;

/** Makes the folder ready for copies, and removes what crashes left in it. */
export async function openScratch(scratchDir: string): Promise<void> {
  await ensureDir(scratchDir);
  await sweep(scratchDir);
}

/** Copies a file to a new name, for this process to open and unlink. */
export async function copyToScratch(scratchDir: string, source: string, name: string): Promise<string> {
  const path = join(scratchDir, name);
  await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await chmod(path, 0o600);
  return path;
}

async function sweep(scratchDir: string): Promise<void> {
  for (const name of await readdir(scratchDir)) {
    const path = join(scratchDir, name);
    try {
      const { ctimeMs } = await stat(path);
      if (Date.now() - ctimeMs > abandonedAfterMs) await rm(path, { force: true });
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
    }
  }
}

export async function removeScratch(path: string): Promise<void> {
  await rm(path, { force: true });
}
