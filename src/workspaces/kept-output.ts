import { isUtf8 } from "node:buffer";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../core/errors.ts";

/** Of each stream of a command this much of its beginning is kept … */
const keptHeadBytes = 1024 * 1024;
/** … and at least this much of its end, at most twice as much */
const keptTailBytes = 1024 * 1024;

export type OutputStream = "stdout" | "stderr";

/** Writes one stream of a command to files as it comes, of which a long one keeps its beginning and its end. */
export class OutputKeeper {
  readonly #path: string;
  #file: FileHandle | undefined;
  #tail: FileHandle | undefined;
  #tailLength = 0;
  #length = 0;
  /** Writes in their order, however they are called */
  #last: Promise<void> = Promise.resolve();

  constructor(historyDir: string, sequence: number, stream: OutputStream) {
    this.#path = outputPath(historyDir, sequence, stream);
  }

  /** How much the stream had, kept or not */
  get length(): number {
    return this.#length;
  }

  add(chunk: Buffer): Promise<void> {
    this.#last = this.#last.then(() => this.#write(chunk));
    return this.#last;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {
      // whoever added what could not be written has been told
    });
    await Promise.all([this.#file?.close(), this.#tail?.close()]);
  }

  async #write(chunk: Buffer): Promise<void> {
    const room = Math.max(0, keptHeadBytes - this.#length);
    this.#length += chunk.length;
    if (room > 0) {
      this.#file ??= await open(this.#path, "w", 0o600);
      await this.#file.appendFile(chunk.subarray(0, room));
    }
    if (chunk.length > room) await this.#writeTail(chunk.subarray(room));
  }

  async #writeTail(chunk: Buffer): Promise<void> {
    if (this.#tail && this.#tailLength >= keptTailBytes) {
      await this.#tail.close();
      await rename(`${this.#path}.tail`, `${this.#path}.tail-before`);
      this.#tail = undefined;
    }
    if (!this.#tail) {
      this.#tail = await open(`${this.#path}.tail`, "w", 0o600);
      this.#tailLength = 0;
    }
    await this.#tail.appendFile(chunk);
    this.#tailLength += chunk.length;
  }
}

export interface KeptOutput {
  /** All of it, or its beginning and its end with a line between that says so */
  readonly bytes: Buffer;
  readonly isCut: boolean;
}

/** What is kept of a stream; `length` is how much it had, as far as is known. */
export async function readOutput(
  historyDir: string,
  sequence: number,
  stream: OutputStream,
  length: number | undefined,
): Promise<KeptOutput> {
  const path = outputPath(historyDir, sequence, stream);
  const [head, before, tail] = await Promise.all([
    contentOf(path),
    contentOf(`${path}.tail-before`),
    contentOf(`${path}.tail`),
  ]);
  const keptBytes = head.length + before.length + tail.length;
  // Of a command whose end nobody saw it is not known how much there was; with an older tail there may have been more.
  const isKnown = length !== undefined && length >= keptBytes;
  const isWhole = isKnown ? length === keptBytes : before.length === 0;
  if (isWhole) return { bytes: Buffer.concat([head, before, tail]), isCut: false };
  // Where a character was cut in two, so that what is text stays text.
  const mark = Buffer.from(`\n[… ${isKnown ? length - keptBytes : "some"} bytes are not kept …]\n`);
  return {
    bytes: Buffer.concat([wholeCharacters(head), mark, fromCharacterStart(Buffer.concat([before, tail]))]),
    isCut: true,
  };
}

/** Without the part of a character at the end that was cut in two. */
export function wholeCharacters(bytes: Buffer): Buffer {
  for (let cut = 0; cut < 4 && cut <= bytes.length; cut++) {
    const shorter = bytes.subarray(0, bytes.length - cut);
    if (isUtf8(shorter)) return shorter;
  }
  return bytes;
}

/** Without the part of a character at the start that was cut in two: continuation bytes are 10xxxxxx. */
function fromCharacterStart(bytes: Buffer): Buffer {
  let start = 0;
  while (start < 3 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.subarray(start);
}

function outputPath(historyDir: string, sequence: number, stream: OutputStream): string {
  return join(historyDir, `${String(sequence).padStart(6, "0")}.${stream}`);
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
