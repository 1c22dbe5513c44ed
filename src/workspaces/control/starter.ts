import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { PyroError } from "../../core/errors.ts";
import { fromWire } from "../../core/wire-case.ts";
import { channelFd, type Launch, launchSchema } from "./launch.ts";

/** The record of the workspace once its supervisor serves, or why it never will: both as JSON has them. */
export type StartAnswer = { readonly record: unknown } | { readonly error: unknown };

/** The process that started us, by the channel that it left. */
export class Starter {
  readonly #channel = new Socket({ fd: channelFd, readable: true, writable: true });
  readonly #gone = new AbortController();

  constructor() {
    this.#channel.on("error", () => {
      // Whoever started us is gone, which the end of the channel tells as well.
    });
    this.#channel.once("close", () => this.#gone.abort(new PyroError("cancelled", "whoever asked for it has gone")));
  }

  /** Aborts when nobody waits for us any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** What we are to do; undefined when our starter has ended, or given up, before it had a task for us. */
  async task(): Promise<Launch | undefined> {
    const lines = createInterface({ input: this.#channel })[Symbol.asyncIterator]();
    const { value, done } = await lines.next();
    // From now on only its end is awaited.
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
