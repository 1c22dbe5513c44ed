import { requireFreeBytes } from "../host/disk-space.ts";

/** Space for the disk layers of a machine, which grow as it writes */
const machineBytes = 256 * 1024 ** 2;

/** Refuses to start a machine if its disk layers in `dir` cannot grow. */
export async function requireRoomForMachine(dir: string): Promise<void> {
  await requireFreeBytes("cannot start a machine", dir, machineBytes);
}
