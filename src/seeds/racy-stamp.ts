import { PyroError, systemErrorCode } from "../core/errors.ts";
import { fileError, stampFile } from "../host/files.ts";

/**
 * The coarsest clock of a file system in use (FAT), and about the difference between clocks in a
 * network
 */
const coarsestClockMs = 2_000;

/**
 * Whether a stamp shows every change that was made while the content was read, or later. A file can
 * be written twice within one tick of its file system's clock. If the content is read between the
 * two, the stamp stands for other content for ever (git calls it racily clean). So content that
 * changed less than a tick before the reading began is used but not remembered. Looking again does
 * not help, because both writes have the same time.
 */
export function isSettled(newestChangeMs: number, readingStartedMs: number): boolean {
  return readingStartedMs - newestChangeMs >= coarsestClockMs;
}

/** The key by which `prepareSeed` looks an archive up. */
export async function archiveStampKey(path: string): Promise<string> {
  try {
    return `archive ${JSON.stringify(await stampFile(path))}`;
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) {
      throw fileError(`cannot read archive '${path}'`, error);
    }
    throw new PyroError("not_found", `cannot read archive '${path}': it is not there`, {
      hint: "Give the path of a file that exists.",
      cause: error,
    });
  }
}
