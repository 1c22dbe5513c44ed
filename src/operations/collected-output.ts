import { isUtf8 } from "node:buffer";
import * as z from "zod";
import { HeadAndTail } from "../core/head-and-tail.ts";
import { wholeCharacters } from "../core/utf8.ts";
import type { LiveStreams, OperationContext } from "./operation.ts";

/** Limit for each stream, unless the surface gives another */
const defaultKeptBytes = 64 * 1024 * 1024;

const encoding = z.enum(["utf-8", "base64"]);

export const collectedOutputSchema = z.object({
  stdout: z.string(),
  stderr: z.string(),
  stdoutEncoding: encoding.describe("base64 when the bytes are not UTF-8 text"),
  stderrEncoding: encoding,
  stdoutBytes: z.number().describe("How much it wrote, shown here or not"),
  stderrBytes: z.number(),
  truncated: z.boolean().describe("The middle of a stream was left out; a line in its place says how much"),
});

/**
 * Keeps a command's output for its result, or only counts it for a surface that takes it as it
 * comes.
 */
export class CollectedOutput {
  readonly streams: LiveStreams;
  readonly #stdout: HeadAndTail;
  readonly #stderr: HeadAndTail;
  readonly #isKept: boolean;

  constructor({ keptOutputBytes, liveStreams }: Pick<OperationContext, "keptOutputBytes" | "liveStreams"> = {}) {
    this.#isKept = liveStreams === undefined;
    const keptBytes = this.#isKept ? (keptOutputBytes ?? defaultKeptBytes) : 0;
    const [stdout, stderr] = [new HeadAndTail(keptBytes), new HeadAndTail(keptBytes)];
    [this.#stdout, this.#stderr] = [stdout, stderr];
    this.streams = {
      stdin: liveStreams?.stdin,
      onStdout(chunk) {
        stdout.add(chunk);
        return liveStreams?.onStdout(chunk);
      },
      onStderr(chunk) {
        stderr.add(chunk);
        return liveStreams?.onStderr(chunk);
      },
    };
  }

  /**
   * The output until now. If the command still runs, its last character may be incomplete and is
   * left out.
   */
  result({ running = false } = {}): z.output<typeof collectedOutputSchema> {
    const shown = (output: HeadAndTail) => {
      const bytes = this.#isKept ? output.bytes() : Buffer.alloc(0);
      return decodeOutput(running ? wholeCharacters(bytes) : bytes);
    };
    const [stdout, stderr] = [shown(this.#stdout), shown(this.#stderr)];
    return {
      stdout: stdout.text,
      stdoutEncoding: stdout.encoding,
      stdoutBytes: this.#stdout.totalBytes,
      stderr: stderr.text,
      stderrEncoding: stderr.encoding,
      stderrBytes: this.#stderr.totalBytes,
      truncated: this.#isKept && (this.#stdout.isCut || this.#stderr.isCut),
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
