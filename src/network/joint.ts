import type { Duplex } from "node:stream";
import { Deferred } from "../core/async.ts";

/** What went through a connection, in bytes. */
export interface Traffic {
  sentBytes: number;
  receivedBytes: number;
}

/**
 * Joins a guest's connection with the one outside that it is for. Each direction goes at the pace
 * of its reader and ends on its own. A reset of one end is a reset of the other.
 */
export class Joint {
  readonly #guest: Duplex;
  readonly #outside: Duplex;
  readonly #traffic: Traffic;
  readonly #closed = new Deferred();
  #isLinked = true;

  /** What comes from outside reaches the guest at once, as some servers speak first. */
  constructor(guest: Duplex, outside: Duplex, traffic: Traffic) {
    this.#guest = guest;
    this.#outside = outside;
    this.#traffic = traffic;
    let open = 2;
    for (const [stream, other] of [
      [guest, outside],
      [outside, guest],
    ] as const) {
      stream.on("error", () => {
        // It closes next.
      });
      stream.once("close", () => {
        const isWhole = stream.readableEnded && stream.writableFinished;
        if (!isWhole && this.#isLinked) other.destroy();
        open -= 1;
        if (open === 0) this.#closed.resolve();
      });
    }
    outside.on("data", (chunk: Buffer) => {
      traffic.receivedBytes += chunk.length;
    });
    outside.pipe(guest);
    if (guest.destroyed) outside.destroy();
  }

  /** Passes on what the guest says, too. */
  sendOut(): void {
    this.#guest.on("data", (chunk: Buffer) => {
      this.#traffic.sentBytes += chunk.length;
    });
    this.#guest.pipe(this.#outside);
  }

  /** Ends what is outside, and leaves the guest's connection. */
  cut(): void {
    this.#isLinked = false;
    this.#outside.unpipe(this.#guest);
    this.#outside.destroy();
  }

  /** Resolves when both connections have closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }
}
