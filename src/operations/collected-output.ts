import { isUtf8 } from "node:buffer";
import * as z from "zod";
import { HeadAndTail } from "../core/head-and-tail.ts";
import { TerminalOutput } from "../core/terminal/output.ts";
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
  truncated: z.boolean().describe("Some of it was left out; a line in its place says how much"),
});

/**
 * Keeps a command's output for its result, or only counts it for a surface that takes it as it
 * comes.
 */
export class CollectedOutput {
  readonly streams: LiveStreams;
  readonly #stdout: Collector;
  readonly #stderr: Collector;

  constructor({
    keptOutputBytes = defaultKeptBytes,
    liveStreams,
    asTerminal = false,
  }: Pick<OperationContext, "keptOutputBytes" | "liveStreams" | "asTerminal"> = {}) {
    const collector = (): Collector => {
      if (liveStreams !== undefined) return new CountedBytes();
      return asTerminal ? new TerminalText(keptOutputBytes) : new KeptBytes(keptOutputBytes);
    };
    const [stdout, stderr] = [collector(), collector()];
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
    const [stdout, stderr] = [this.#stdout.result(running), this.#stderr.result(running)];
    return {
      stdout: stdout.text,
      stdoutEncoding: stdout.encoding,
      stdoutBytes: this.#stdout.totalBytes,
      stderr: stderr.text,
      stderrEncoding: stderr.encoding,
      stderrBytes: this.#stderr.totalBytes,
      truncated: stdout.isCut || stderr.isCut,
    };
  }
}

interface Collected extends DecodedOutput {
  readonly isCut: boolean;
}

/** One stream of a command. */
interface Collector {
  readonly totalBytes: number;
  add(chunk: Buffer): void;
  result(running: boolean): Collected;
}

class CountedBytes implements Collector {
  totalBytes = 0;

  add(chunk: Buffer): void {
    this.totalBytes += chunk.length;
  }

  result(): Collected {
    return { text: "", encoding: "utf-8", isCut: false };
  }
}

class KeptBytes extends HeadAndTail implements Collector {
  result(running: boolean): Collected {
    const bytes = this.bytes();
    return { ...decodeOutput(running ? wholeCharacters(bytes) : bytes), isCut: this.isCut };
  }
}

class TerminalText implements Collector {
  readonly #output: TerminalOutput;

  constructor(maxChars: number) {
    this.#output = new TerminalOutput(maxChars);
  }

  get totalBytes(): number {
    return this.#output.totalBytes;
  }

  add(chunk: Buffer): void {
    this.#output.add(chunk);
  }

  result(running: boolean): Collected {
    if (!running) this.#output.end();
    return { ...this.#output.result(), encoding: "utf-8" };
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

/** Output as the text that it leaves on a terminal, up to about `maxChars`. */
export function terminalText(bytes: Buffer, maxChars: number): Collected {
  const output = new TerminalText(maxChars);
  output.add(bytes);
  return output.result(false);
}
