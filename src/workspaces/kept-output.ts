import { type FileHandle, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../core/errors.ts";
import { characterBoundary, fromCharacterStart, pageEnd, wholeCharacters } from "../core/utf8.ts";

/** A stream is kept in files of this size: the first one, and of a long stream the last two */
const blockBytes = 1024 * 1024;

export type OutputStream = "stdout" | "stderr";

/** Writes one stream of a command to files as it comes, of which a long one keeps its beginning and its end. */
export class OutputKeeper {
  readonly #path: string;
  #file: FileHandle | undefined;
  #length = 0;
  /** Writes in their order, however they are called */
  #last: Promise<void> = Promise.resolve();

  constructor(historyDir: string, sequence: number, stream: OutputStream) {
    this.#path = join(historyDir, streamName(sequence, stream));
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
    await this.#file?.close();
  }

  async #write(chunk: Buffer): Promise<void> {
    for (let written = 0; written < chunk.length; ) {
      const part = chunk.subarray(written, written + blockBytes - (this.#length % blockBytes));
      const file = await this.#fileFor(this.#length / blockBytes);
      await file.appendFile(part);
      written += part.length;
      this.#length += part.length;
    }
  }

  /** A whole number of blocks has been written when there is another one to begin. */
  async #fileFor(blocks: number): Promise<FileHandle> {
    if (this.#file && !Number.isInteger(blocks)) return this.#file;
    await this.#file?.close();
    this.#file = await open(blockPath(this.#path, blocks), "w", 0o600);
    // Only now that there is another end; the beginning stays.
    if (blocks > 2) await rm(blockPath(this.#path, blocks - 2), { force: true });
    return this.#file;
  }
}

/** What of a stream to read. */
export interface OutputPage {
  /** First byte of the stream to read */
  readonly offset: number;
  /** Of what is kept */
  readonly maxBytes: number;
}

const wholeStream: OutputPage = { offset: 0, maxBytes: Number.POSITIVE_INFINITY };

export interface KeptOutput {
  /** What was asked for; a line says how much is missing where something is not kept */
  readonly bytes: Buffer;
  readonly isCut: boolean;
  /** How much the stream has had, kept or not */
  readonly totalBytes: number;
  /** Where to read on; null at the end of a stream that has ended */
  readonly nextOffset: number | null;
}

/** The output that a history holds, as it was when this was made; it may grow. */
export class KeptOutputs {
  readonly #historyDir: string;
  /** Numbers of the blocks that there are, by stream */
  readonly #blocks: ReadonlyMap<string, readonly number[]>;

  private constructor(historyDir: string, blocks: ReadonlyMap<string, readonly number[]>) {
    this.#historyDir = historyDir;
    this.#blocks = blocks;
  }

  static async open(historyDir: string): Promise<KeptOutputs> {
    const names = await readdir(historyDir).catch((error: unknown) => {
      if (systemErrorCode(error) === "ENOENT") return [];
      throw error;
    });
    const blocks = new Map<string, number[]>();
    for (const name of names) {
      const [, stream, block = "0"] = blockName.exec(name) ?? [];
      if (stream !== undefined) blocks.set(stream, [...(blocks.get(stream) ?? []), Number(block)]);
    }
    return new KeptOutputs(historyDir, blocks);
  }

  /** A page of a stream. `endedAt` is how much it had in all, as far as that was recorded; undefined while its command runs. */
  async read(
    sequence: number,
    stream: OutputStream,
    endedAt: number | undefined,
    page: OutputPage = wholeStream,
  ): Promise<KeptOutput> {
    const stretches = await this.#stretches(streamName(sequence, stream));
    const last = stretches.at(-1);
    const keptUntil = last ? last.start + last.bytes.length : 0;
    const isOver = endedAt !== undefined;
    // The end of a command that nobody saw end says nothing of its output.
    const totalBytes = Math.max(keptUntil, endedAt ?? 0);
    return { totalBytes, ...readPage(inCharacters(stretches, isOver), page, { totalBytes, isOver }) };
  }

  async #stretches(name: string): Promise<readonly Stretch[]> {
    const stretches: Stretch[] = [];
    for (const block of (this.#blocks.get(name) ?? []).toSorted((a, b) => a - b)) {
      const start = block * blockBytes;
      const bytes = await contentOf(blockPath(join(this.#historyDir, name), block));
      const before = stretches.at(-1);
      if (before && before.start + before.bytes.length === start) {
        stretches.splice(-1, 1, { start: before.start, bytes: Buffer.concat([before.bytes, bytes]) });
      } else if (bytes.length > 0) stretches.push({ start, bytes });
    }
    return stretches;
  }
}

/** Bytes of a stream that lie side by side. */
interface Stretch {
  /** Offset of its first byte */
  readonly start: number;
  readonly bytes: Buffer;
}

/** Without the parts of characters beside what is not kept, or not there yet, so that what is text stays text. */
function inCharacters(stretches: readonly Stretch[], isOver: boolean): readonly Stretch[] {
  return stretches.map(({ start, bytes }, index) => {
    const isEnd = isOver && index === stretches.length - 1;
    const ended = isEnd ? bytes : wholeCharacters(bytes);
    const begun = start > 0 ? fromCharacterStart(ended) : ended;
    return { start: start + ended.length - begun.length, bytes: begun };
  });
}

function readPage(
  stretches: readonly Stretch[],
  { offset, maxBytes }: OutputPage,
  { totalBytes, isOver }: { readonly totalBytes: number; readonly isOver: boolean },
): Omit<KeptOutput, "totalBytes"> {
  const parts: Buffer[] = [];
  let [position, room, isCut, isFull] = [offset, maxBytes, false, maxBytes === 0];
  const skipTo = (start: number) => {
    if (position >= start) return;
    parts.push(Buffer.from(`\n[… ${start - position} bytes are not kept …]\n`));
    [position, isCut] = [start, true];
  };
  for (const { start, bytes } of stretches) {
    if (isFull || position >= start + bytes.length) continue;
    skipTo(start);
    const from = characterBoundary(bytes, position - start);
    const to = pageEnd(bytes, from, room);
    parts.push(bytes.subarray(from, to));
    position = start + to;
    room -= to - from;
    isFull = room <= 0 || to < bytes.length;
  }
  if (isOver && !isFull) skipTo(totalBytes);
  const isAtEnd = isOver && position >= totalBytes;
  return { bytes: Buffer.concat(parts), isCut, nextOffset: isAtEnd ? null : position };
}

/** Of the file with a stream's beginning; the others have the numbers of their blocks behind it */
const blockName = /^(\d+\.(?:stdout|stderr))(?:\.(\d+))?$/;

function streamName(sequence: number, stream: OutputStream): string {
  return `${String(sequence).padStart(6, "0")}.${stream}`;
}

function blockPath(streamPath: string, block: number): string {
  return block === 0 ? streamPath : `${streamPath}.${block}`;
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    // The end of a stream that goes on has moved on.
    if (systemErrorCode(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
