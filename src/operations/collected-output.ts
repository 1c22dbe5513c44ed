import { isUtf8 } from "node:buffer";
import * as z from "zod";
import type { LiveStreams } from "./operation.ts";

/** More than this of either stream is read but not kept */
const maxCollectedBytes = 64 * 1024 * 1024;

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

class CappedBytes {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  truncated = false;

  add(chunk: Buffer): void {
    const room = maxCollectedBytes - this.#length;
    if (chunk.length > room) this.truncated = true;
    const kept = chunk.subarray(0, room);
    this.#chunks.push(kept);
    this.#length += kept.length;
  }

  text(): { text: string; encoding: z.output<typeof encoding> } {
    const bytes = Buffer.concat(this.#chunks);
    return isUtf8(bytes)
      ? { text: bytes.toString("utf8"), encoding: "utf-8" }
      : { text: bytes.toString("base64"), encoding: "base64" };
  }
}
