import { PyroError } from "../core/errors.ts";
import { freeBytes } from "../host/files.ts";

/** What the tables of a file system, the journal's first blocks and our own records take. */
const overheadBytes = 64 * 1024 ** 2;

/** Refuses what would only break in the middle. */
export async function requireRoomFor(failure: string, dir: string, contentBytes: number): Promise<void> {
  const neededBytes = contentBytes + overheadBytes;
  const free = await freeBytes(dir);
  if (free >= neededBytes) return;
  const mib = (bytes: number) => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  throw new PyroError(
    "resource_exhausted",
    `${failure}: needs ${mib(neededBytes)} free under '${dir}', has ${mib(free)}`,
    { hint: "Free some space, run `pyro env prune`, or set PYRO_CACHE_DIR to a folder on a larger disk." },
  );
}
