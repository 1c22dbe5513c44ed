/** Reason of an archive that ends too early */
export const truncated = "it is truncated";

const nothing = Buffer.alloc(0);

/** Chunks of bytes, read in other pieces than they come in. */
export class ByteSource {
  /** Bytes that were read, in `bytes` */
  position = 0;

  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = nothing;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes, as many as are at hand but at most `length`; none at the end. */
  async some(length: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return nothing;
      this.#rest = next.value;
    }
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(part.length);
    this.position += part.length;
    return part;
  }

  /** The next bytes; fewer than `length` only at the end. */
  async upTo(length: number): Promise<Buffer> {
    const first = await this.some(length);
    if (first.length === length || first.length === 0) return first;
    const parts = [first];
    for (let missing = length - first.length; missing > 0; ) {
      const part = await this.some(missing);
      if (part.length === 0) break;
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  async exactly(length: number): Promise<Buffer> {
    const bytes = length === 0 ? nothing : await this.upTo(length);
    if (bytes.length < length) throw new Error(truncated);
    return bytes;
  }

  /** The next `length` bytes in pieces. */
  async *pieces(length: number): AsyncGenerator<Buffer> {
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing);
      if (piece.length === 0) throw new Error(truncated);
      missing -= piece.length;
      yield piece;
    }
  }

  async skip(length: number): Promise<void> {
    for await (const _ of this.pieces(length));
  }

  /** Reads what is left, which reports damage in it. */
  async drain(): Promise<void> {
    while ((await this.some(Number.POSITIVE_INFINITY)).length > 0);
  }

  /** Lets go of the file. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
