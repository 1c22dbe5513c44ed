import { Deferred } from "../core/async.ts";

/** The input of a command that gets it bit by bit: frames, as long as it runs. */
export class InputFrames implements AsyncIterable<Buffer> {
  readonly #waiting: Buffer[] = [];
  #next = new Deferred();
  #isOver = false;

  send(frame: Buffer): void {
    this.#waiting.push(frame);
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
