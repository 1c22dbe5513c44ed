import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { throwIfCancelled } from "../core/deadline.ts";

const chunkLength = 1 << 20;
const zeros = Buffer.alloc(chunkLength);

/** Part of a file, in `bytes` */
interface Extent {
  readonly start: number;
  readonly length: number;
}

/**
 * SHA-256 over a file's size and its chunks that are not all zero, as `sparse-sha256:HEX`. Holes
 * and zeros count alike, so every copy has the same digest. It reads only chunks that an extent
 * touches, or all without extents.
 */
export async function digestSparseFile(
  path: string,
  extents?: readonly Extent[],
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash("sha256");
  await using file = await open(path, "r");
  const { size } = await file.stat();
  for (const position of chunksOf(extents ?? [{ start: 0, length: size }])) {
    throwIfCancelled(signal);
    await addChunk(hash, file, position);
  }
  return `sparse-sha256:${hash.update(`size:${size}`).digest("hex")}`;
}

/** Offsets of the chunks that the extents touch, each once, in order. */
function* chunksOf(extents: readonly Extent[]): Generator<number> {
  let next = 0;
  for (const { start, length } of extents.toSorted((a, b) => a.start - b.start)) {
    next = Math.max(next, start - (start % chunkLength));
    for (; next < start + length; next += chunkLength) yield next;
  }
}

async function addChunk(hash: Hash, file: FileHandle, position: number): Promise<void> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkLength), 0, chunkLength, position);
  const content = buffer.subarray(0, bytesRead);
  if (content.compare(zeros, 0, bytesRead) !== 0) hash.update(`${position}:`).update(content);
}
