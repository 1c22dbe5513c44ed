import { requireFreeBytes } from "../host/room.ts";

/** What a machine writes goes to disk layers that grow */
const machineBytes = 256 * 1024 ** 2;

/** Refuses to start a machine whose disk layers in `dir` could not grow. */
export async function requireRoomForMachine(dir: string): Promise<void> {
  await requireFreeBytes("cannot start a machine", dir, machineBytes);
}
