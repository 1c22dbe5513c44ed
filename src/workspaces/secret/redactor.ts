import { marker, type Range, type SecretMatcher } from "./matcher.ts";

const nothing = Buffer.alloc(0);

/**
 * Takes values out of a stream as it comes, wherever its pieces end. It holds back only bytes that
 * may begin a value, until the next bytes or the end of the stream tell. There is no time limit to
 * that: bytes that are let go too early would be half a value.
 */
export class StreamRedactor {
  readonly #matcher: () => SecretMatcher;
  #held: Buffer = nothing;
  /** How many of the held bytes belong to a value that has its marker */
  #coveredLength = 0;
  #count = 0;

  /** A workspace can get new values while the stream goes on. */
  constructor(matcher: () => SecretMatcher) {
    this.#matcher = matcher;
  }

  /** How many places had a value */
  get count(): number {
    return this.#count;
  }

  /** The bytes that can be let go now: `chunk` itself if there is nothing about them. */
  push(chunk: Buffer): Buffer {
    const matcher = this.#matcher();
    if (matcher.isEmpty) return chunk;
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const { ranges, openFrom } = matcher.scan(bytes);
    return this.#letGo(bytes, ranges, openFrom);
  }

  /** The rest, when nothing comes any more. */
  end(): Buffer {
    return this.#letGo(this.#held, this.#matcher().find(this.#held), this.#held.length);
  }

  #letGo(bytes: Buffer, ranges: readonly Range[], upTo: number): Buffer {
    const parts: Buffer[] = [];
    let at = this.#coveredLength;
    for (const { start, end } of ranges) {
      if (start >= upTo) break;
      if (start >= at) {
        parts.push(bytes.subarray(at, start), marker);
        this.#count += 1;
      }
      at = Math.max(at, end);
    }
    if (at < upTo) parts.push(bytes.subarray(at, upTo));
    this.#held = bytes.subarray(upTo);
    this.#coveredLength = Math.max(0, at - upTo);
    const [only = nothing] = parts;
    return parts.length > 1 ? Buffer.concat(parts) : only.length === bytes.length ? bytes : only;
  }
}
