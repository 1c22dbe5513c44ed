import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { throwIfCancelled } from "../../../core/deadline.ts";
import { PyroError } from "../../../core/errors.ts";
import type { Compression } from "../format.ts";
import { bunzip2 } from "./bzip2.ts";
import { unxz } from "./xz.ts";
import { unzstd } from "./zstd.ts";

const chunkBytes = 1 << 18;
/** Output after which timers and signals have their turn, in `bytes` */
const turnBytes = 1 << 22;

/** A file's content, unpacked. Fails if it is more than `maxBytes`, or damaged. */
export async function* unpacked(
  path: string,
  compression: Compression,
  maxBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  let [length, turns] = [0, 0];
  for await (const chunk of decoded(path, compression, signal)) {
    length += chunk.length;
    if (length > maxBytes) throw new PyroError("resource_exhausted", "it is too large when it is unpacked");
    if (chunk.length > 0) yield chunk;
    if (length < (turns + 1) * turnBytes) continue;
    // A small file can unpack to so much that it is read once and decoded for seconds.
    turns = Math.floor(length / turnBytes);
    await setImmediate();
    throwIfCancelled(signal);
  }
}

function decoded(path: string, compression: Compression, signal: AbortSignal | undefined): AsyncIterable<Buffer> {
  switch (compression) {
    case "none":
      return stored(path, signal);
    case "gzip":
      return gunzipped(path, signal);
    case "zstd":
      return unzstd(stored(path, signal));
    case "xz":
      return unxz(stored(path, signal));
    case "bzip2":
      return bunzip2(stored(path, signal));
  }
}

function stored(path: string, signal: AbortSignal | undefined): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: chunkBytes, ...(signal ? { signal } : {}) });
}

async function* gunzipped(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: 1 << 16 });
  const flow = pipeline(stored(path, signal), unzip);
  // The loop below reports a failure, unless its reader has left it.
  flow.catch(() => {});
  for await (const chunk of unzip) yield chunk as Buffer;
  await flow;
}
