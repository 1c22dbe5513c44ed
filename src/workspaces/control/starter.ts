import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { PyroError } from "../../core/errors.ts";
import { fromWire } from "../../core/wire-case.ts";
import { channelFd, type Launch, launchSchema } from "./launch.ts";

/** The workspace's record once its supervisor serves, or the error that prevented it, as JSON. */
export type StartAnswer = { readonly record: unknown } | { readonly error: unknown };

/** The caller that started this supervisor, on the channel that it left. */
export class Starter {
  readonly #channel = new Socket({ fd: channelFd, readable: true, writable: true });
  readonly #gone = new AbortController();

  constructor() {
    this.#channel.on("error", () => {
      // The caller has gone, which the end of the channel tells as well.
    });
    this.#channel.once("close", () => this.#gone.abort(new PyroError("cancelled", "the caller has gone")));
  }

  /** Aborts when the caller no longer waits. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** The task; undefined if the caller ended or gave up before it sent one. */
  async task(): Promise<Launch | undefined> {
    const lines = createInterface({ input: this.#channel })[Symbol.asyncIterator]();
    const { value, done } = await lines.next();
    // From now on the caller only waits for the answer, or ends.
    this.#channel.resume();
    return done ? undefined : fromWire(launchSchema, JSON.parse(value));
  }

  /** Says how it went, once and for all. */
  tell(answer: StartAnswer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#channel.destroyed) return resolve();
      this.#channel.once("close", () => resolve());
      this.#channel.end(JSON.stringify(answer), () => this.#channel.destroy());
    });
  }
}
