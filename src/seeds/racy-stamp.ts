import { PyroError, systemErrorCode } from "../core/errors.ts";
import { fileError, stampFile } from "../host/files.ts";

/**
 * The coarsest clock of a file system in use (FAT), and about the difference between clocks in a
 * network
 */
const coarsestClockMs = 2_000;

/**
 * Whether a change while the content was read, or later, must have shown in the times. A file can
 * be written to twice within one tick of its file system's clock: had the first write been seen and
 * the content been read before the second, its stamp would stand for other content for ever (git
 * calls it racily clean). So what was changed less than a tick before the reading began is used,
 * but not remembered. To wait and look again would not help, as both writes have the same time;
 * only what is read after the tick can be trusted.
 */
export function isSettled(newestChangeMs: number, readingStartedMs: number): boolean {
  return readingStartedMs - newestChangeMs >= coarsestClockMs;
}

/** What `prepareSeed` looks an archive up by. */
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
