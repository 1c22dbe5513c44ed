/** The next bits of a stream. */
interface Bits {
  bits(count: number): number;
  peek(count: number): number;
  skip(count: number): void;
}

/** A block whose bytes still have to be put in order. */
export interface DecodedBlock {
  /** For each position a byte, and above it the position of the next byte */
  readonly table: Uint32Array;
  /** Position of the first byte */
  readonly first: number;
  readonly length: number;
}

const maxCodeBits = 20;
const groupSymbols = 50;
const levelBytes = 100_000;
/** Symbols that count a run of the byte in front */
const [runA, runB] = [0, 1];

export function wrong(): Error {
  return new Error("its bzip2 data is wrong");
}

/** A canonical Huffman code. */
interface Code {
  readonly minBits: number;
  readonly maxBits: number;
  /** For each length, the first value of 20 bits that needs a longer code */
  readonly limits: Float64Array;
  /** For each length, what to subtract from a code for its index in `symbols` */
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
}

/**
 * Decodes blocks of bzip2. Every loop is bounded by the block's size or by the input, which the
 * published decoders do not ensure: in them, runs of damaged data can count to a negative number.
 */
export class BlockDecoder {
  /** For the largest blocks, because streams of other sizes can follow one another */
  readonly #memory = new Uint32Array(9 * levelBytes);
  #table = this.#memory;

  /** Size of blocks in 100,000 bytes */
  set level(level: number) {
    this.#table = this.#memory.subarray(0, level * levelBytes);
  }

  /** Decodes what follows a block's checksum. The next call overwrites the result. */
  decode(input: Bits): DecodedBlock {
    // A way to sort that bzip2 gave up in 1999
    if (input.bits(1) === 1) throw new Error("its bzip2 data is of an unknown version");
    const origin = input.bits(24);
    const bytes = usedBytes(input);
    const codeCount = input.bits(3);
    const selectorCount = input.bits(15);
    if (bytes.length === 0 || codeCount < 2 || codeCount > 6 || selectorCount === 0) throw wrong();
    const selectors = readSelectors(input, codeCount, selectorCount);
    const codes = Array.from({ length: codeCount }, () => readCode(input, bytes.length + 2));
    const length = this.#decodeSymbols(input, bytes, selectors, codes);
    if (origin >= length) throw wrong();
    this.#link(length);
    return { table: this.#table, first: (this.#table[origin] ?? 0) >>> 8, length };
  }

  /** Fills the table with bytes, and returns their number. */
  #decodeSymbols(input: Bits, bytes: Uint8Array, selectors: Uint8Array, codes: readonly Code[]): number {
    const list = new RecentBytes(this.#table, bytes);
    for (const selector of selectors) {
      const code = codes[selector];
      if (!code) throw wrong();
      for (let index = 0; index < groupSymbols; index += 1) {
        const symbol = readSymbol(input, code);
        if (symbol === runA || symbol === runB) {
          list.countRun(symbol);
          continue;
        }
        list.addRun();
        if (symbol > bytes.length) return list.length;
        list.add(symbol - 1);
      }
    }
    throw wrong();
  }

  /** Undoes the Burrows-Wheeler transform: links each byte to the one that follows it. */
  #link(length: number): void {
    const table = this.#table;
    const starts = new Uint32Array(256);
    for (let index = 0; index < length; index += 1) {
      const byte = (table[index] ?? 0) & 0xff;
      starts[byte] = (starts[byte] ?? 0) + 1;
    }
    let sum = 0;
    for (let byte = 0; byte < 256; byte += 1) {
      const count = starts[byte] ?? 0;
      starts[byte] = sum;
      sum += count;
    }
    for (let index = 0; index < length; index += 1) {
      const byte = (table[index] ?? 0) & 0xff;
      const place = starts[byte] ?? 0;
      starts[byte] = place + 1;
      table[place] = (table[place] ?? 0) | (index << 8);
    }
  }
}

/** Writes bytes that symbols name by how recently each was used. */
class RecentBytes {
  length = 0;
  readonly #table: Uint32Array;
  readonly #recent: Uint8Array;
  #runLength = 0;
  #runUnit = 1;

  constructor(table: Uint32Array, bytes: Uint8Array) {
    this.#table = table;
    this.#recent = Uint8Array.from(bytes);
  }

  /** Takes a digit of a run's length, which has the digits 1 and 2. */
  countRun(symbol: number): void {
    this.#runLength += this.#runUnit << symbol;
    this.#runUnit *= 2;
    if (this.length + this.#runLength > this.#table.length) throw wrong();
  }

  /** Writes the run that was counted. */
  addRun(): void {
    if (this.#runLength === 0) return;
    const end = this.length + this.#runLength;
    this.#table.fill(this.#recent[0] ?? 0, this.length, end);
    this.length = end;
    this.#runLength = 0;
    this.#runUnit = 1;
  }

  add(place: number): void {
    if (this.length === this.#table.length) throw wrong();
    const recent = this.#recent;
    const byte = recent[place] ?? 0;
    for (let index = place; index > 0; index -= 1) recent[index] = recent[index - 1] ?? 0;
    recent[0] = byte;
    this.#table[this.length] = byte;
    this.length += 1;
  }
}

/** The bytes that a block uses, in order, from a map of two levels. */
function usedBytes(input: Bits): Uint8Array {
  const ranges = input.bits(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range += 1) {
    if (((ranges >>> (15 - range)) & 1) === 0) continue;
    const map = input.bits(16);
    for (let index = 0; index < 16; index += 1) if ((map >>> (15 - index)) & 1) used.push(range * 16 + index);
  }
  return Uint8Array.from(used);
}

/** The code of each group of symbols. */
function readSelectors(input: Bits, codeCount: number, selectorCount: number): Uint8Array {
  const recent = Array.from({ length: codeCount }, (_, index) => index);
  const selectors = new Uint8Array(selectorCount);
  for (let index = 0; index < selectorCount; index += 1) {
    let place = 0;
    while (input.bits(1) === 1) {
      place += 1;
      if (place === codeCount) throw wrong();
    }
    const [selector = 0] = recent.splice(place, 1);
    recent.unshift(selector);
    selectors[index] = selector;
  }
  return selectors;
}

function readCode(input: Bits, symbolCount: number): Code {
  const lengths = new Uint8Array(symbolCount);
  let length = input.bits(5);
  for (let symbol = 0; symbol < symbolCount; symbol += 1) {
    for (;;) {
      if (length < 1 || length > maxCodeBits) throw wrong();
      if (input.bits(1) === 0) break;
      length += input.bits(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return codeOf(lengths);
}

function codeOf(lengths: Uint8Array): Code {
  const [minBits, maxBits] = [Math.min(...lengths), Math.max(...lengths)];
  const limits = new Float64Array(maxCodeBits + 1);
  const bases = new Int32Array(maxCodeBits + 1);
  const symbols = new Uint16Array(lengths.length);
  let [next, count] = [0, 0];
  for (let bits = minBits; bits <= maxBits; bits += 1) {
    bases[bits] = next - count;
    lengths.forEach((length, symbol) => {
      if (length !== bits) return;
      symbols[count] = symbol;
      count += 1;
      next += 1;
    });
    limits[bits] = next * 2 ** (maxCodeBits - bits);
    next *= 2;
  }
  return { minBits, maxBits, limits, bases, symbols };
}

function readSymbol(input: Bits, { minBits, maxBits, limits, bases, symbols }: Code): number {
  const ahead = input.peek(maxCodeBits);
  let bits = minBits;
  while (bits <= maxBits && ahead >= (limits[bits] ?? 0)) bits += 1;
  if (bits > maxBits) throw wrong();
  input.skip(bits);
  const symbol = symbols[(ahead >>> (maxCodeBits - bits)) - (bases[bits] ?? 0)];
  if (symbol === undefined) throw wrong();
  return symbol;
}
