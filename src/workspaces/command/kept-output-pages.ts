import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../../core/errors.ts";
import { characterBoundary, fromCharacterStart, pageEnd, wholeCharacters } from "../../core/utf8.ts";
import { blockBytes, blockName, blockPath, type OutputStream, streamName } from "./kept-output.ts";

/** The part of a stream to read. */
export interface OutputPage {
  /** First byte of the stream to read */
  readonly offset: number;
  /** Limit of kept bytes */
  readonly maxBytes: number;
  /** Limit of bytes before the end of the stream; default: none */
  readonly lastBytes?: number | undefined;
}

const wholeStream: OutputPage = { offset: 0, maxBytes: Number.POSITIVE_INFINITY };

export interface KeptOutput {
  /** The page. A line stands for bytes that are not kept, and says how many they are */
  readonly bytes: Buffer;
  readonly isCut: boolean;
  /** First byte in the stream: the offset of the request, or the start of the character there */
  readonly offset: number;
  /** How much the stream has had, kept or not */
  readonly totalBytes: number;
  /** Offset of the next page; null at the end of a stream that has ended */
  readonly nextOffset: number | null;
}

/** The output that a history holds, as it was at `open`. It may grow. */
export class KeptOutputs {
  readonly #historyDir: string;
  /** Numbers of the kept blocks, by stream */
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

  /**
   * Reads a page of a stream. `endedAt` is the recorded length of the whole stream, and undefined
   * while its command runs. A page with a limit has adjacent bytes of the stream, or only the line
   * that says what is not kept there.
   */
  async read(
    sequence: number,
    stream: OutputStream,
    endedAt: number | undefined,
    { offset: wanted, maxBytes, lastBytes = Number.POSITIVE_INFINITY }: OutputPage = wholeStream,
  ): Promise<KeptOutput> {
    const name = streamName(sequence, stream);
    const stretches = await this.#stretches(name);
    const isOver = endedAt !== undefined;
    // The recorded end of a command that lost its supervisor says nothing of its output.
    const totalBytes = Math.max(stretches.at(-1)?.end ?? 0, endedAt ?? 0);
    const kept: KeptStream = { name, stretches, isOver, totalBytes };
    const offset = Math.max(wanted, totalBytes - lastBytes);
    const page = new Page(offset);
    if (Number.isFinite(maxBytes)) await this.#fillPage(page, kept, maxBytes);
    else await this.#fillWhole(page, kept);
    const { bytes, isCut, start, position } = page;
    const nextOffset = isOver && position >= totalBytes ? null : position;
    return { bytes, isCut, offset: start ?? offset, totalBytes, nextOffset };
  }

  async #fillWhole(page: Page, kept: KeptStream): Promise<void> {
    for (const stretch of kept.stretches) {
      if (page.position >= stretch.end) continue;
      const window = await this.#window(kept, stretch, page.position, Number.POSITIVE_INFINITY);
      page.skipTo(window.start);
      page.add(window.bytes);
    }
    // Output that was not yet written when the supervisor ended
    if (kept.isOver) page.skipTo(kept.totalBytes);
  }

  async #fillPage(page: Page, kept: KeptStream, maxBytes: number): Promise<void> {
    if (maxBytes === 0) return;
    for (const stretch of kept.stretches.filter(({ end }) => end > page.position)) {
      const window = await this.#window(kept, stretch, page.position, maxBytes);
      if (window.start > page.position) return page.skipTo(window.start);
      if (window.bytes.length > 0) return page.add(window.bytes);
      // Only a part of a character is left of it.
    }
    if (kept.isOver) page.skipTo(kept.totalBytes);
  }

  /** The kept part of a stream, judged only by the sizes of its files. */
  async #stretches(name: string): Promise<readonly Stretch[]> {
    const stretches: Stretch[] = [];
    for (const block of (this.#blocks.get(name) ?? []).toSorted((a, b) => a - b)) {
      const start = block * blockBytes;
      const end = start + (await sizeOf(blockPath(join(this.#historyDir, name), block)));
      const before = stretches.at(-1);
      if (before?.end === start) stretches.splice(-1, 1, { start: before.start, end });
      else if (end > start) stretches.push({ start, end });
    }
    return stretches;
  }

  /**
   * Reads about `room` bytes of a stretch from a position on, in whole characters. Text thus stays
   * text beside bytes that are not kept, or not written yet.
   */
  async #window(kept: KeptStream, { start, end }: Stretch, position: number, room: number): Promise<Window> {
    const from = Math.max(start, position - maxCharacterBytes);
    const read = await this.#bytes(kept.name, from, Math.min(end, position + room + maxCharacterBytes));
    const isEnd = kept.isOver && end === kept.totalBytes;
    const whole = from + read.length >= end && !isEnd ? wholeCharacters(read) : read;
    const isBehindGap = from === start && start > 0;
    const first = isBehindGap ? whole.length - fromCharacterStart(whole).length : 0;
    const at = Math.max(first, characterBoundary(whole, Math.max(0, position - from)));
    return { start: from + at, bytes: whole.subarray(at, pageEnd(whole, at, room)) };
  }

  async #bytes(name: string, from: number, to: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let position = from; position < to; ) {
      const block = Math.floor(position / blockBytes);
      const content = await contentOf(blockPath(join(this.#historyDir, name), block));
      const part = content.subarray(position - block * blockBytes, to - block * blockBytes);
      // A stream that still grows has dropped this block.
      if (part.length === 0) break;
      parts.push(part);
      position += part.length;
    }
    return Buffer.concat(parts);
  }
}

/** UTF-8 */
const maxCharacterBytes = 4;

/** Adjacent bytes of a stream: the offset of the first, and the one behind the last. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

interface Window {
  /** Offset of its first byte */
  readonly start: number;
  readonly bytes: Buffer;
}

interface KeptStream {
  readonly name: string;
  readonly stretches: readonly Stretch[];
  /** Whether nothing more comes */
  readonly isOver: boolean;
  /** How much it has had, kept or not */
  readonly totalBytes: number;
}

/** Puts together what a reader gets. */
class Page {
  readonly #parts: Buffer[] = [];
  /** Offset of what comes next */
  position: number;
  /** Offset of the first byte in it */
  start: number | undefined;
  isCut = false;

  constructor(offset: number) {
    this.position = offset;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  add(bytes: Buffer): void {
    this.start ??= this.position;
    this.#parts.push(bytes);
    this.position += bytes.length;
  }

  /** Goes on at another offset. If bytes are missing in between, a line says how many. */
  skipTo(offset: number): void {
    const missingBytes = offset - this.position;
    this.position = offset;
    if (missingBytes <= 0) return;
    this.#parts.push(Buffer.from(`\n[… ${missingBytes} bytes are not kept …]\n`));
    this.isCut = true;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return 0;
    throw error;
  }
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
