import { PyroError } from "../core/errors.ts";

/**
 * Types of the frames of a command. Every stream is a sequence of `[type u8][payload length u32 big
 * endian][payload]`.
 */
export const frameType = {
  spec: 0x01,
  stdin: 0x02,
  stdinEnd: 0x03,
  signal: 0x04,
  started: 0x10,
  stdout: 0x11,
  stderr: 0x12,
  mainExit: 0x13,
  exit: 0x1f,
} as const;

/** Types of the frames by which a guest announces what its processes want to reach. */
export const announcementType = { question: 0x40, connection: 0x41, answer: 0x42, refusal: 0x43 } as const;

/** Types of the frames of one connection. Either side sends them. */
export const connectionType = { data: 0x48, dataEnd: 0x49, credit: 0x4a } as const;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

export interface EncodedFrame extends Frame {
  /** The whole frame as it came, header included, to be passed on as it is */
  readonly bytes: Buffer;
}

const headerLength = 5;
/** Limit for a payload in `bytes`, which keeps each side from making the other hold more */
export const maxPayloadLength = 1 << 20;

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerLength + payload.length);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, headerLength);
  return frame;
}

/** Splits a stream of bytes into frames. The pieces of the stream may end anywhere. */
export class FrameDecoder {
  #pieces: Buffer[] = [];
  #length = 0;
  /** Number of `bytes` to wait for: a header, then the frame that it announces */
  #wanted = headerLength;

  /** Whether everything that came was whole frames */
  get isAtFrameEnd(): boolean {
    return this.#length === 0;
  }

  *push(chunk: Buffer): Generator<EncodedFrame> {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    while (this.#length >= this.#wanted) {
      const buffered = this.#join();
      const length = buffered.readUInt32BE(1);
      if (length > maxPayloadLength) {
        throw new PyroError("internal", `a frame of ${length} bytes came, more than the protocol allows`);
      }
      this.#wanted = headerLength + length;
      if (this.#length < this.#wanted) return;
      const bytes = buffered.subarray(0, this.#wanted);
      yield { type: bytes.readUInt8(0), payload: bytes.subarray(headerLength), bytes };
      this.#keep(buffered.subarray(this.#wanted));
    }
  }

  /**
   * Joins once per header and once per frame. Joining per piece would cost the square of a frame in
   * tiny pieces.
   */
  #join(): Buffer {
    const [first] = this.#pieces;
    const joined = first && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }

  #keep(rest: Buffer): void {
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#wanted = headerLength;
  }
}

/** The frames of a stream of bytes. Fails with `unavailable` if the stream ends inside a frame. */
export async function* framesOf(chunks: AsyncIterable<unknown>): AsyncGenerator<EncodedFrame> {
  const decoder = new FrameDecoder();
  for await (const chunk of chunks) yield* decoder.push(chunk as Buffer);
  if (!decoder.isAtFrameEnd) throw new PyroError("unavailable", "the connection ended inside a frame");
}
