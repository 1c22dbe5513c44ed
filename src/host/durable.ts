import { open } from "node:fs/promises";
import { systemErrorCode } from "../core/errors.ts";

/** Makes the content of a file survive a power cut. Its name survives only with its folder. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.datasync();
}

/** Makes the names in a folder survive a power cut: new ones, changed ones and removals. */
export async function syncFolder(path: string): Promise<void> {
  try {
    await using folder = await open(path, "r");
    await folder.sync();
  } catch (error) {
    if (!cannotAsk.includes(systemErrorCode(error) ?? "")) throw error;
  }
}

/**
 * Some file systems keep names without being asked, and refuse to be asked. A folder that this user
 * may change but not list cannot be opened to be asked.
 */
const cannotAsk = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EACCES"];
