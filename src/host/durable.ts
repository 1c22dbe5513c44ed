import { type FileHandle, open } from "node:fs/promises";
import { systemErrorCode } from "../core/errors.ts";

/** Makes the content of a file survive a power cut. Its name survives only with its folder. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.datasync();
}

/** Makes the names in a folder survive a power cut: new ones, changed ones and removals. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await syncIfPossible(folder);
}

/** Some file systems keep names without being asked, and refuse to be asked. */
async function syncIfPossible(folder: FileHandle): Promise<void> {
  try {
    await folder.sync();
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(systemErrorCode(error) ?? "")) throw error;
  }
}
