import { PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { freeBytes } from "./files.ts";

/** Refuses, with the figures, what would only break in the middle on a disk that is nearly full. `failure` is what its message says first. */
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
