import { requireFreeBytes } from "../host/disk-space.ts";

/** Space for a file system's tables, the journal's first blocks and our own records. */
const overheadBytes = 64 * 1024 ** 2;

export async function requireRoomFor(failure: string, dir: string, contentBytes: number): Promise<void> {
  await requireFreeBytes(failure, dir, contentBytes + overheadBytes);
}
