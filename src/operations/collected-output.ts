import { isUtf8 } from "node:buffer";
import * as z from "zod";
import type { LiveStreams } from "./operation.ts";

/** More than this of either stream is read but not kept */
const maxCollectedBytes = 64 * 1024 * 1024;
const minReservedBytes = 4 * 1024;

const encoding = z.enum(["utf-8", "base64"]);

export const collectedOutputSchema = z.object({
  stdout: z.string(),
  stderr: z.string(),
  stdoutEncoding: encoding.describe("base64 when the bytes are not UTF-8 text"),
  stderrEncoding: encoding,
  truncated: z.boolean().describe("Output past the first 64 MiB of a stream was dropped"),
});

/** Keeps a command's output for a result, up to a cap. */
export class CollectedOutput {
  readonly #stdout = new CappedBytes();
  readonly #stderr = new CappedBytes();
  readonly streams: LiveStreams = {
    onStdout: (chunk) => this.#stdout.add(chunk),
    onStderr: (chunk) => this.#stderr.add(chunk),
  };

  result(): z.output<typeof collectedOutputSchema> {
    const [stdout, stderr] = [this.#stdout.text(), this.#stderr.text()];
    return {
      ...{ stdout: stdout.text, stdoutEncoding: stdout.encoding },
      ...{ stderr: stderr.text, stderrEncoding: stderr.encoding },
      truncated: this.#stdout.truncated || this.#stderr.truncated,
    };
  }
}

export interface DecodedOutput {
  readonly text: string;
  readonly encoding: z.output<typeof encoding>;
}

/** Output as JSON can hold it. */
export function decodeOutput(bytes: Buffer): DecodedOutput {
  return isUtf8(bytes)
    ? { text: bytes.toString("utf8"), encoding: "utf-8" }
    : { text: bytes.toString("base64"), encoding: "base64" };
}

class CappedBytes {
  /** Copies only: a kept slice would keep the whole buffer that it is a slice of, and many small ones take more than they hold. */
  #bytes = Buffer.alloc(0);
  #length = 0;
  truncated = false;

  add(chunk: Buffer): void {
    const room = maxCollectedBytes - this.#length;
    if (chunk.length > room) this.truncated = true;
    if (room === 0) return;
    const end = this.#length + Math.min(chunk.length, room);
    this.#reserve(end);
    chunk.copy(this.#bytes, this.#length, 0, end - this.#length);
    this.#length = end;
  }

  text(): DecodedOutput {
    return decodeOutput(this.#bytes.subarray(0, this.#length));
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const reserved = Math.min(maxCollectedBytes, Math.max(length, 2 * this.#bytes.length, minReservedBytes));
    const grown = Buffer.allocUnsafeSlow(reserved);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
