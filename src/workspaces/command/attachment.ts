import type { Call } from "../control/server.ts";

/**
 * What ties a command to its caller, whose going ends it. After a time it is let go: from then on it runs for itself, and neither the end nor
 * the pace of the caller matters. Which of the two comes first is decided here and nowhere else.
 */
export class Attachment {
  /** Aborts when the command shall end with its caller */
  readonly signal: AbortSignal;
  readonly #call: Call;
  readonly #ender = new AbortController();
  readonly #onGone = () => this.#ender.abort(this.#call.signal.reason);
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  /** Frees the command from a caller that does not take its output */
  #stopSending: () => void = () => {};

  constructor(call: Call) {
    this.#call = call;
    this.signal = this.#ender.signal;
    call.signal.addEventListener("abort", this.#onGone, { once: true });
    if (call.signal.aborted) this.#onGone();
  }

  /** Lets the command go after a time, unless its caller or the command itself is gone by then. */
  detachAfter(timeoutMs: number, onDetached: () => void): void {
    this.#timer = setTimeout(() => {
      if (this.signal.aborted || this.#isOver) return;
      this.end();
      onDetached();
    }, timeoutMs);
  }

  /** Hands output to the caller, as long as that is there to take it. */
  async send(bytes: Buffer): Promise<void> {
    if (this.#isOver) return;
    const stopped = new Promise<void>((resolve) => {
      this.#stopSending = resolve;
    });
    await Promise.race([this.#call.send(bytes), stopped]);
  }

  /** The command has ended, or runs on alone. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#call.signal.removeEventListener("abort", this.#onGone);
    this.#stopSending();
  }
}
