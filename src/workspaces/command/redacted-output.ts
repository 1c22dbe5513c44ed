import { encodeFrame, frameType, maxPayloadLength } from "../../guest/frames.ts";
import type { StreamRedactor } from "../secret/redactor.ts";
import type { OutputKeeper, OutputStream } from "./kept-output.ts";

/** Hands a frame of output to the caller. */
type Send = (frame: Buffer) => Promise<void>;

/** One stream of a command on its way to files and to the caller, without the values of secrets. */
export class RedactedOutput {
  readonly kept: OutputKeeper;
  readonly #redactor: StreamRedactor;
  readonly #stream: OutputStream;
  readonly #send: Send;

  constructor(stream: OutputStream, kept: OutputKeeper, redactor: StreamRedactor, send: Send) {
    this.#stream = stream;
    this.kept = kept;
    this.#redactor = redactor;
    this.#send = send;
  }

  get redactedCount(): number {
    return this.#redactor.count;
  }

  /** Takes a piece, and the frame that it came in. Resolves when there is room for more. */
  async take(chunk: Buffer, frame: Buffer): Promise<void> {
    const bytes = this.#redactor.push(chunk);
    await this.kept.add(bytes);
    for (const each of bytes === chunk ? [frame] : this.#framesOf(bytes)) await this.#send(each);
  }

  /** Lets go what was held back. It waits for no caller: the command has ended. */
  async end(): Promise<void> {
    const bytes = this.#redactor.end();
    for (const frame of this.#framesOf(bytes)) void this.#send(frame);
    if (bytes.length > 0) await this.kept.add(bytes);
  }

  *#framesOf(bytes: Buffer): Generator<Buffer> {
    for (let start = 0; start < bytes.length; start += maxPayloadLength) {
      yield encodeFrame(frameType[this.#stream], bytes.subarray(start, start + maxPayloadLength));
    }
  }
}
