import { PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { freeBytes } from "./files.ts";

/**
 * Refuses work for which the disk has too little free space, with the figures. `failure` begins the
 * message.
 */
export async function requireFreeBytes(failure: string, dir: string, neededBytes: number): Promise<void> {
  const free = await freeBytes(dir);
  if (free >= neededBytes) return;
  const mib = (bytes: number) => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  throw new PyroError(
    "resource_exhausted",
    `${failure}: needs ${mib(neededBytes)} free under '${dir}', has ${mib(free)}`,
    { hint: hint`Free some space, ${toRun("env.prune")}, or set PYRO_CACHE_DIR to a folder on a larger disk.` },
  );
}
