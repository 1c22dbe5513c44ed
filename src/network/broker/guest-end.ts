import { Duplex } from "node:stream";
import type { Traffic } from "../joint.ts";

/** Time for a client to read the last answer */
const lastReadMs = 2_000;

/**
 * A guest's connection as a stream below TLS, which begins with what the guest has said already. It
 * counts what passes. After a good end the guest has time to read, since to destroy its connection
 * is to reset it.
 */
export class GuestEnd extends Duplex {
  readonly #guest: Duplex;
  readonly #traffic: Traffic;
  #said: Buffer;

  constructor(guest: Duplex, said: Buffer, traffic: Traffic) {
    super({ allowHalfOpen: true });
    this.#guest = guest;
    this.#said = said;
    this.#traffic = traffic;
    // The reader of this stream is told of its close.
    this.on("error", () => {});
    guest.on("data", (chunk: Buffer) => this.#take(chunk));
    guest.pause();
    guest.once("end", () => this.push(null));
    guest.on("error", (error) => this.destroy(error));
    guest.once("close", () => this.destroy());
    if (guest.readableEnded) queueMicrotask(() => this.push(null));
    if (guest.destroyed) queueMicrotask(() => this.destroy());
  }

  override _read(): void {
    const said = this.#said;
    this.#said = Buffer.alloc(0);
    if (said.length > 0) this.#take(said);
    else this.#guest.resume();
  }

  #take(chunk: Buffer): void {
    this.#traffic.sentBytes += chunk.length;
    if (!this.push(chunk)) this.#guest.pause();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#traffic.receivedBytes += chunk.length;
    this.#guest.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#guest.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const guest = this.#guest;
    if (this.writableFinished && !guest.destroyed) {
      guest.resume();
      const timer = setTimeout(() => guest.destroy(), lastReadMs);
      guest.once("close", () => clearTimeout(timer));
      guest.once("end", () => guest.destroy());
      if (guest.readableEnded) guest.destroy();
    } else {
      guest.destroy();
    }
    done(error);
  }
}
