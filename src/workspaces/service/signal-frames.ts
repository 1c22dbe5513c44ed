import { Deferred } from "../../core/async.ts";
import { encodeSignal } from "../../guest/exec.ts";

/** The input of a service: frames of signals, as long as it runs. */
export class SignalFrames implements AsyncIterable<Buffer> {
  readonly #waiting: Buffer[] = [];
  #next = new Deferred();
  #isOver = false;

  send(signal: string): void {
    this.#waiting.push(encodeSignal(signal));
    this.#next.resolve();
  }

  end(): void {
    this.#isOver = true;
    this.#next.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const frame = this.#waiting.shift();
      if (frame) yield frame;
      else if (this.#isOver) return;
      else {
        await this.#next.promise;
        this.#next = new Deferred();
      }
    }
  }
}
