import { setTimeout as sleep } from "node:timers/promises";
import { PyroError } from "../core/errors.ts";

/** How long a result waits for somebody to pick it up */
const keptMs = 10 * 60_000;

interface Ongoing<T> {
  readonly work: Promise<T>;
  readonly controller: AbortController;
}

export interface LongCallOptions {
  /** What it is, for its caller: `workspace_create` */
  readonly name: string;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** Calls that may take longer than their client waits: such a call goes on, and the same call made again picks it up. */
export class LongCalls<T> {
  /** Those whose caller was told to come again, by what they were called with */
  readonly #left = new Map<string, Ongoing<T>>();
  readonly #all = new Set<AbortController>();

  /** Does `work`, or goes on with what was left of the same call; a cancelled call cancels its work. */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, options: LongCallOptions): Promise<T> {
    const call = this.#left.get(key) ?? this.#begin(work);
    // Whoever makes the same call at the same time wants it done twice.
    this.#left.delete(key);
    const { patienceMs, signal } = options;
    const onAbort = () => call.controller.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const outlived = Symbol("outlived");
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<typeof outlived>((resolve) => {
      timer = setTimeout(() => resolve(outlived), patienceMs);
    });
    try {
      const result = await Promise.race([call.work, limit]);
      if (result !== outlived) return result;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
    this.#leave(key, call);
    throw stillGoingOn(options);
  }

  /** Cancels everything, and waits until it has ended. */
  async end(limitMs: number): Promise<void> {
    for (const controller of this.#all) controller.abort();
    const works = [...this.#left.values()].map(({ work }) => work);
    await Promise.race([Promise.allSettled(works), sleep(limitMs, undefined, { ref: false })]);
  }

  #begin(work: (signal: AbortSignal) => Promise<T>): Ongoing<T> {
    const controller = new AbortController();
    this.#all.add(controller);
    const promise = work(controller.signal).finally(() => this.#all.delete(controller));
    // It may be that nobody comes again.
    promise.catch(() => {});
    return { work: promise, controller };
  }

  #leave(key: string, call: Ongoing<T>): void {
    this.#left.set(key, call);
    const forget = () => {
      const timer = setTimeout(() => {
        if (this.#left.get(key) === call) this.#left.delete(key);
      }, keptMs);
      timer.unref();
    };
    call.work.then(forget, forget);
  }
}

function stillGoingOn({ name, patienceMs }: LongCallOptions): PyroError {
  return new PyroError("timeout", `${name} has not ended after ${Math.round(patienceMs / 1000)} s, and goes on`, {
    hint: `Call ${name} again with the same arguments: it picks this call up and waits for its result.`,
  });
}
