import type { Call } from "../control/server.ts";

/**
 * Ties a command to its caller, whose end is the command's. After a time the command is detached,
 * and neither the end nor the pace of the caller matters any more. Only this class decides which of
 * the two comes first.
 */
export class Attachment {
  /** Aborts if the command must end with its caller */
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

  /**
   * Detaches the command after a time, unless its caller or the command itself has ended by then.
   */
  detachAfter(timeoutMs: number, onDetached: () => void): void {
    this.#timer = setTimeout(() => {
      if (this.signal.aborted || this.#isOver) return;
      this.end();
      onDetached();
    }, timeoutMs);
  }

  /** Sends output to the caller, while the command is tied to it. */
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
