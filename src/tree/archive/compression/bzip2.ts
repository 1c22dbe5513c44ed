import { ByteSource, truncated } from "../bytes.ts";
import { BlockDecoder, type DecodedBlock, wrong } from "./bzip2-block.ts";

/**
 * Input that holds any block: 32,767 groups of 50 symbols with up to 20 bits, and tables. Blocks
 * are decoded from memory, because they begin and end at any bit.
 */
const windowBytes = 5 * 1024 ** 2;
/** Room for reading ahead at the end */
const spareBytes = 8;
const outputBytes = 1 << 16;
/** Highest count after a run */
const maxCopies = 255;

const [blockMagic, endMagic] = [0x314159265359, 0x177245385090];

/** Unpacks bzip2 streams, one after the other. Like bzip2, it ignores what follows the last. */
export async function* bunzip2(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = new BitWindow(new ByteSource(chunks));
  const decoder = new BlockDecoder();
  for (let isFirst = true; ; isFirst = false) {
    await input.fill();
    const level = input.has(32) && input.bits(24) === 0x425a68 ? input.bits(8) - 0x30 : 0;
    if (level < 1 || level > 9) {
      if (isFirst) throw wrong();
      return;
    }
    decoder.level = level;
    yield* oneStream(input, decoder);
    input.align();
  }
}

async function* oneStream(input: BitWindow, decoder: BlockDecoder): AsyncGenerator<Buffer> {
  let streamSum = 0;
  for (;;) {
    await input.fill();
    const magic = input.bits(24) * 2 ** 24 + input.bits(24);
    const sum = bits32(input);
    if (magic === endMagic) {
      if (sum !== streamSum >>> 0) throw wrong();
      return;
    }
    if (magic !== blockMagic) throw wrong();
    streamSum = (sum ^ ((streamSum << 1) | (streamSum >>> 31))) >>> 0;
    yield* expanded(decoder.decode(input), sum);
  }
}

/** Undoes the runs of a block, and compares its checksum. */
function* expanded({ table, first, length }: DecodedBlock, sum: number): Generator<Buffer> {
  let output = Buffer.allocUnsafe(outputBytes + maxCopies);
  let filled = 0;
  let [crc, position, previous, run] = [-1, first, -1, 0];
  for (let left = length; left > 0; left -= 1) {
    const entry = table[position] ?? 0;
    const byte = entry & 0xff;
    position = entry >>> 8;
    // After four equal bytes comes the number of more.
    const isCount = run === 4;
    const copied = isCount ? previous : byte;
    const end = filled + (isCount ? byte : 1);
    run = isCount ? 0 : nextRun(run, byte === previous);
    previous = byte;
    for (; filled < end; filled += 1) {
      output[filled] = copied;
      crc = (crc << 8) ^ (crcTable[((crc >>> 24) ^ copied) & 0xff] ?? 0);
    }
    if (filled < outputBytes) continue;
    yield output.subarray(0, filled);
    output = Buffer.allocUnsafe(outputBytes + maxCopies);
    filled = 0;
  }
  if (filled > 0) yield output.subarray(0, filled);
  if (~crc >>> 0 !== sum) throw wrong();
}

/** Length of a run with one more byte. What follows a count begins a run, even if it is equal. */
function nextRun(run: number, isEqual: boolean): number {
  return isEqual && run > 0 ? run + 1 : 1;
}

function bits32(input: BitWindow): number {
  return input.bits(16) * 2 ** 16 + input.bits(16);
}

/** bzip2's checksum is that of gzip with its bits the other way round, which zlib lacks. */
const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

/** The next bits of a source. */
class BitWindow {
  readonly #source: ByteSource;
  readonly #window = Buffer.alloc(windowBytes + spareBytes);
  #length = 0;
  #isEnd = false;
  /** Position of the next bit */
  #bit = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Fills the window, unless the source ends. */
  async fill(): Promise<void> {
    const used = this.#bit >>> 3;
    // Moving bytes costs little beside decoding a block, but not beside the end of a tiny stream.
    if (this.#isEnd || this.#length - used >= windowBytes - (1 << 19)) return;
    this.#window.copyWithin(0, used, this.#length);
    this.#length -= used;
    this.#bit &= 7;
    while (this.#length < windowBytes) {
      const part = await this.#source.some(windowBytes - this.#length);
      this.#isEnd = part.length === 0;
      if (this.#isEnd) return;
      this.#length += part.copy(this.#window, this.#length);
    }
  }

  /** Whether that many bits are left. */
  has(count: number): boolean {
    return this.#bit + count <= this.#length * 8;
  }

  /** The next bits as a number, up to 24. */
  bits(count: number): number {
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** Like `bits`, without moving on. What is behind the end is anything. */
  peek(count: number): number {
    return (this.#window.readInt32BE(this.#bit >>> 3) << (this.#bit & 7)) >>> (32 - count);
  }

  skip(count: number): void {
    this.#bit += count;
    if (this.#bit > this.#length * 8) throw new Error(truncated);
  }

  /** Moves on to the next whole byte. */
  align(): void {
    this.#bit = (this.#bit + 7) & ~7;
  }
}
