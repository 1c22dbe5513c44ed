import { fromCharacterStart, wholeCharacters } from "./utf8.ts";

const minReservedBytes = 4 * 1024;

/**
 * The first and the last bytes of a stream, each up to half of a limit. Memory does not grow with
 * the stream.
 */
export class HeadAndTail {
  readonly #head: Store;
  readonly #tail: Store;
  #totalBytes = 0;

  constructor(maxBytes: number) {
    this.#head = new Store(Math.ceil(maxBytes / 2));
    this.#tail = new Store(Math.floor(maxBytes / 2));
  }

  /** Length of the stream */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Whether something in the middle was dropped */
  get isCut(): boolean {
    return this.#totalBytes > this.#head.maxBytes + this.#tail.maxBytes;
  }

  add(chunk: Buffer): void {
    const room = Math.max(0, this.#head.maxBytes - this.#totalBytes);
    this.#totalBytes += chunk.length;
    this.#head.add(chunk.subarray(0, room));
    this.#tail.add(chunk.subarray(room));
  }

  /**
   * The whole stream, or its two ends with a line between them that says how much is missing. The
   * cuts keep characters whole.
   */
  bytes(): Buffer {
    const [head, tail] = [this.#head.bytes(), this.#tail.bytes()];
    if (!this.isCut) return tail.length === 0 ? head : Buffer.concat([head, tail]);
    const [begin, end] = [wholeCharacters(head), fromCharacterStart(tail)];
    const missingBytes = this.#totalBytes - begin.length - end.length;
    return Buffer.concat([begin, Buffer.from(`\n[… ${missingBytes} bytes left out …]\n`), end]);
  }
}

/**
 * The last bytes that were added, up to a limit, in a ring. It copies: a slice would keep its whole
 * buffer in memory, and many small slices take more than they hold.
 */
class Store {
  readonly maxBytes: number;
  #ring = Buffer.alloc(0);
  #addedBytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  add(chunk: Buffer): void {
    const start = Math.max(0, chunk.length - this.maxBytes);
    if (start === chunk.length) return;
    this.#addedBytes += start;
    this.#reserve(Math.min(this.maxBytes, this.#addedBytes + chunk.length - start));
    const copied = chunk.copy(this.#ring, this.#addedBytes % this.maxBytes, start);
    chunk.copy(this.#ring, 0, start + copied);
    this.#addedBytes += chunk.length - start;
  }

  bytes(): Buffer {
    if (this.#addedBytes <= this.maxBytes) return this.#ring.subarray(0, this.#addedBytes);
    const oldest = this.#addedBytes % this.maxBytes;
    return Buffer.concat([this.#ring.subarray(oldest), this.#ring.subarray(0, oldest)]);
  }

  #reserve(length: number): void {
    if (length <= this.#ring.length) return;
    const reserved = Math.min(this.maxBytes, Math.max(length, 2 * this.#ring.length, minReservedBytes));
    const grown = Buffer.allocUnsafeSlow(reserved);
    this.#ring.copy(grown);
    this.#ring = grown;
  }
}
