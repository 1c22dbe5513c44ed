import type { Socket } from "node:net";
import { messageOf, PyroError } from "../../core/errors.ts";
import { type Frame, FrameDecoder } from "../../guest/frames.ts";

/** Frames that wait for a handler before the caller is held back */
const maxWaiting = 8;

/**
 * The frames of a connection, read as they come, also while no handler takes them. Otherwise the
 * supervisor would not notice that the caller has gone.
 */
export class FrameQueue implements AsyncIterable<Frame> {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #waiting: Frame[] = [];
  #failure: PyroError | undefined;
  #isDiscarding = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.once("close", () => this.#fail(new PyroError("cancelled", "the caller has gone")));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Frame> {
    for (;;) {
      const frame = this.#waiting.shift();
      if (frame) {
        if (this.#waiting.length < maxWaiting) this.#socket.resume();
        yield frame;
      } else if (this.#failure) throw this.#failure;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** From now on all frames are dropped. */
  discard(): void {
    this.#isDiscarding = true;
    this.#waiting.length = 0;
    this.#socket.resume();
  }

  #receive(chunk: Buffer): void {
    if (this.#isDiscarding) return;
    try {
      this.#waiting.push(...this.#decoder.push(chunk));
    } catch (error) {
      this.#fail(new PyroError("invalid_argument", messageOf(error), { cause: error }));
    }
    if (this.#waiting.length >= maxWaiting) this.#socket.pause();
    this.#wake();
  }

  #fail(failure: PyroError): void {
    this.#failure ??= failure;
    this.#wake();
  }
}
