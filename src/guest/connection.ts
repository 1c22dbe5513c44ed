import { type ClientHttp2Stream, constants } from "node:http2";
import { Duplex } from "node:stream";
import { PyroError } from "../core/errors.ts";
import { fromWire } from "../core/wire-case.ts";
import { connectionType, encodeFrame, FrameDecoder } from "./frames.ts";
import { agentErrorSchema } from "./messages.ts";

/** What either end may send before the other one has taken any of it, in bytes */
const firstCredit = 256 * 1024;
const chunkBytes = 64 * 1024;
/** Credit is given in steps of this size, so that its frames are few */
const creditStepBytes = 64 * 1024;

const maxRefusalChars = 4096;

type Done = (error?: Error | null) => void;

/**
 * A connection of a guest's process as a stream. Each direction ends on its own. To destroy it is
 * to reset the process's connection. It emits `connect` when the guest has given it.
 *
 * The guest has credit for what this end has taken, so neither end ever holds more than 256 KiB for
 * the other, whatever the windows of the stream below are.
 */
export class GuestConnection extends Duplex {
  readonly #stream: ClientHttp2Stream;
  readonly #decoder = new FrameDecoder();
  /** What the guest sent and no reader has taken */
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #hasEnded = false;
  #isRefused = false;
  #isConnected = false;
  #wantsMore = false;
  /** Taken, and not yet given as credit */
  #takenBytes = 0;
  #credit = firstCredit;
  /** Continues a write that waits for credit */
  #onCredit: (() => void) | undefined;

  constructor(stream: ClientHttp2Stream) {
    super({ allowHalfOpen: true, readableHighWaterMark: chunkBytes, writableHighWaterMark: chunkBytes });
    this.#stream = stream;
    // A reset can come before its owner listens, and must not end this process.
    this.on("error", () => {});
    stream.once("response", (headers) => {
      this.#isConnected = headers[":status"] === 200;
      if (!this.#isConnected) {
        void this.#refuse();
        return;
      }
      stream.on("data", (chunk: Buffer) => this.#receive(chunk));
      this.emit("connect");
    });
    stream.once("error", (error) => this.destroy(error));
    stream.once("close", () => {
      // Before the guest has ended its direction, the end of the stream is a reset.
      if (!this.#isRefused && (!this.#hasEnded || !this.writableFinished)) this.destroy(reset());
    });
  }

  /** The guest has an answer in place of the connection. */
  async #refuse(): Promise<void> {
    this.#isRefused = true;
    let text = "";
    try {
      for await (const chunk of this.#stream) text = (text + String(chunk)).slice(0, maxRefusalChars);
    } catch {
      // The answer is cut off.
    }
    const reason = reasonIn(text);
    this.destroy(new PyroError("unavailable", `the guest refused the connection: ${reason}`, { details: { reason } }));
  }

  /** Whether the guest has given the connection. An error before that is a refusal */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  override _read(): void {
    this.#wantsMore = true;
    this.#deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#send(chunk, done);
  }

  override _final(done: Done): void {
    this.#stream.write(encodeFrame(connectionType.dataEnd, Buffer.alloc(0)), done);
    this.#endIfOver();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#received = [];
    this.#onCredit?.();
    // Only a stream of which both ends have had enough ends without a reset.
    if (!this.#stream.writableEnded) this.#stream.close(constants.NGHTTP2_CANCEL);
    done(error);
  }

  #send(chunk: Buffer, done: Done): void {
    if (this.destroyed) return done(reset());
    const length = Math.min(chunk.length, chunkBytes, this.#credit);
    if (length === 0 && chunk.length > 0) {
      this.#onCredit = () => {
        this.#onCredit = undefined;
        this.#send(chunk, done);
      };
      return;
    }
    this.#credit -= length;
    const rest = chunk.subarray(length);
    this.#stream.write(encodeFrame(connectionType.data, chunk.subarray(0, length)), (error) => {
      if (error || rest.length === 0) return done(error);
      this.#send(rest, done);
    });
  }

  #receive(chunk: Buffer): void {
    try {
      for (const { type, payload } of this.#decoder.push(chunk)) {
        if (type === connectionType.data) this.#keep(payload);
        if (type === connectionType.credit) this.#credit += payload.readUInt32BE(0);
        if (type === connectionType.dataEnd) this.#hasEnded = true;
      }
    } catch (error) {
      this.destroy(PyroError.from(error));
      return;
    }
    if (this.#credit > 0) this.#onCredit?.();
    this.#deliver();
    this.#endIfOver();
  }

  #keep(payload: Buffer): void {
    if (payload.length === 0) return;
    if (this.#hasEnded || this.#receivedBytes + payload.length > firstCredit) {
      throw new PyroError("internal", "the guest sent more than it had credit for");
    }
    this.#receivedBytes += payload.length;
    // A copy, because the frame is a part of all that came with it.
    this.#received.push(Buffer.from(payload));
  }

  #deliver(): void {
    while (this.#wantsMore && !this.destroyed) {
      const piece = this.#received.shift();
      if (piece === undefined) {
        if (!this.#hasEnded) return;
        this.#wantsMore = false;
        this.push(null);
        return;
      }
      this.#receivedBytes -= piece.length;
      this.#takenBytes += piece.length;
      this.#wantsMore = this.push(piece);
      this.#giveCredit();
    }
  }

  #giveCredit(): void {
    if (this.#takenBytes < creditStepBytes || this.#hasEnded) return;
    const credit = Buffer.alloc(4);
    credit.writeUInt32BE(this.#takenBytes);
    this.#takenBytes = 0;
    this.#stream.write(encodeFrame(connectionType.credit, credit));
  }

  #endIfOver(): void {
    if (this.#hasEnded && this.writableEnded && !this.#stream.writableEnded) this.#stream.end();
  }
}

function reasonIn(text: string): string {
  try {
    return fromWire(agentErrorSchema, JSON.parse(text)).error.message;
  } catch {
    return "it does not say why";
  }
}

function reset(): PyroError {
  return new PyroError("unavailable", "the guest reset the connection");
}
