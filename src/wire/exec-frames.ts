import { PyroError } from "../core/errors.ts";

/** Types of the frames in an exec stream: `[type u8][payload length u32 big endian][payload]`. */
export const frameType = {
  spec: 0x01,
  stdin: 0x02,
  stdinEnd: 0x03,
  started: 0x10,
  stdout: 0x11,
  stderr: 0x12,
  exit: 0x1f,
} as const;

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

const headerLength = 5;
/** Both sides refuse longer payloads, so neither can make the other hold more */
export const maxPayloadLength = 1 << 20;

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerLength + payload.length);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, headerLength);
  return frame;
}

/** Splits a stream of bytes, in whatever pieces it comes, into frames. */
export class FrameDecoder {
  #buffered: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<Frame> {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    while (this.#buffered.length >= headerLength) {
      const length = this.#buffered.readUInt32BE(1);
      if (length > maxPayloadLength) {
        throw new PyroError(
          "internal",
          `the guest agent sent a frame of ${length} bytes, more than the protocol allows`,
        );
      }
      if (this.#buffered.length < headerLength + length) return;
      const frame = {
        type: this.#buffered.readUInt8(0),
        payload: this.#buffered.subarray(headerLength, headerLength + length),
      };
      this.#buffered = this.#buffered.subarray(headerLength + length);
      yield frame;
    }
  }

  /** Whether the stream ended between frames. */
  get isComplete(): boolean {
    return this.#buffered.length === 0;
  }
}
