/** What is kept of a shell's output, in bytes */
const maxBytes = 1024 * 1024;
const pageBytes = 64 * 1024;

/**
 * The last output of a shell, byte for byte. Positions count from the first byte that ever came.
 */
export class Scrollback {
  readonly #pages: Buffer[] = [];
  /** Position of the first byte of the first page */
  #start = 0;
  #end = 0;

  /** Position behind the last byte */
  get end(): number {
    return this.#end;
  }

  /** Position of the first byte that is still kept */
  get oldest(): number {
    return Math.max(this.#start, this.#end - maxBytes);
  }

  add(bytes: Buffer): void {
    for (let taken = 0; taken < bytes.length; ) {
      const used = (this.#end - this.#start) % pageBytes;
      if (used === 0 && this.#end - this.#start === this.#pages.length * pageBytes) {
        this.#pages.push(Buffer.allocUnsafe(pageBytes));
      }
      const copied = bytes.copy(this.#pages.at(-1) as Buffer, used, taken);
      taken += copied;
      this.#end += copied;
      if (this.#end - this.#start - pageBytes < maxBytes) continue;
      this.#pages.shift();
      this.#start += pageBytes;
    }
  }

  /** At most `length` bytes from a position that is kept. */
  read(position: number, length: number): Buffer {
    const end = Math.min(this.#end, position + length);
    const parts: Buffer[] = [];
    for (let at = position; at < end; ) {
      const [page, offset] = [Math.floor((at - this.#start) / pageBytes), (at - this.#start) % pageBytes];
      const part = this.#pages[page]?.subarray(offset, Math.min(pageBytes, offset + end - at)) ?? Buffer.alloc(0);
      parts.push(part);
      at += part.length;
    }
    return Buffer.concat(parts);
  }
}
