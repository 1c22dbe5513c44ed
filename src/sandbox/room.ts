import { PyroError } from "../core/errors.ts";
import { freeBytes } from "../host/files.ts";

export interface RoomRequest {
  /** What is refused without it: `start a machine` */
  readonly action: string;
  readonly dir: string;
  readonly neededMib: number;
}

/** Refuses, with the figures, what would only break in the middle on a disk that is nearly full. */
export async function requireRoomTo({ action, dir, neededMib }: RoomRequest): Promise<void> {
  const freeMib = Math.floor((await freeBytes(dir)) / 1024 ** 2);
  if (freeMib >= neededMib) return;
  throw new PyroError(
    "resource_exhausted",
    `cannot ${action}: needs ${neededMib} MiB free under '${dir}', has ${freeMib} MiB`,
    { hint: "Free some space, run `pyro env prune`, or set PYRO_CACHE_DIR to a folder on a larger disk." },
  );
}
