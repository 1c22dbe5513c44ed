import { Socket } from "node:net";
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
  readonly #countReceived = (chunk: Buffer) => {
    this.#traffic.receivedBytes += chunk.length;
  };

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
      const onClose = () => {
        const isWhole = stream.readableEnded && stream.writableFinished;
        if (!isWhole && this.#isLinked) reset(other);
        open -= 1;
        if (open === 0) this.#closed.resolve();
      };
      // A stream that has closed already does not say so again.
      if (stream.closed) queueMicrotask(onClose);
      else stream.once("close", onClose);
    }
    outside.on("data", this.#countReceived);
    outside.pipe(guest);
    if (guest.destroyed) reset(outside);
  }

  /** Passes on what the guest says, too, after what it has said already. */
  sendOut(said: Buffer = Buffer.alloc(0)): void {
    this.#traffic.sentBytes += said.length;
    if (said.length > 0) this.#outside.write(said);
    if (this.#guest.readableEnded) {
      this.#outside.end();
      return;
    }
    this.#guest.on("data", (chunk: Buffer) => {
      this.#traffic.sentBytes += chunk.length;
    });
    this.#guest.pipe(this.#outside);
  }

  /** Ends what is outside, and leaves the guest's connection. */
  cut(): void {
    this.release();
    reset(this.#outside);
  }

  /** Leaves both connections to another owner. Nothing may have come from outside yet. */
  release(): void {
    this.#isLinked = false;
    this.#outside.off("data", this.#countReceived);
    this.#outside.unpipe(this.#guest);
    this.#outside.pause();
  }

  /** Resolves when both connections have closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }
}

/** Ends a stream so that its other end cannot take that for a good end. */
export function reset(stream: Duplex): void {
  // A socket of which one end is shutting down cannot be reset: Node would neither close it nor say
  // so.
  if (stream instanceof Socket && !stream.writableEnded) stream.resetAndDestroy();
  else stream.destroy();
}
