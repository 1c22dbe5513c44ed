import { setTimeout as sleep } from "node:timers/promises";
import { PyroError } from "../core/errors.ts";
import type { OperationProgress } from "../operations/operation.ts";

/** How long a result waits for somebody to pick it up */
const keptMs = 10 * 60_000;

type OnProgress = (progress: OperationProgress) => void;
type Work<T> = (signal: AbortSignal, onProgress: OnProgress) => Promise<T>;

export interface LongCallOptions {
  /** What it is, for its caller: `workspace_create` */
  readonly name: string;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Told while this caller waits */
  readonly onProgress: OnProgress;
  /**
   * Whether it goes on without its caller: what only reads is asked again instead, and tells what
   * is so then
   */
  readonly goesOn: boolean;
}

interface Ongoing<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  /** Whoever waits for it now */
  onProgress: OnProgress;
}

/**
 * Calls that may take longer than their client waits: such a call goes on, and the same call made
 * again picks it up.
 */
export class LongCalls<T> {
  /** Those whose caller was told to come again, by what they were called with */
  readonly #left = new Map<string, Ongoing<T>[]>();
  readonly #all = new Set<Ongoing<T>>();

  /**
   * Does `work`, or goes on with what was left of the same call; a cancelled call cancels its work.
   */
  async run(key: string, work: Work<T>, options: LongCallOptions): Promise<T> {
    // Whoever makes the same call at the same time wants it done twice.
    const call = this.#pickUp(key) ?? this.#begin(work);
    call.onProgress = options.onProgress;
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
      const result = await Promise.race([call.result, limit]);
      if (result !== outlived) return result;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      call.onProgress = () => {};
    }
    if (options.goesOn) this.#leave(key, call);
    else call.controller.abort();
    throw tooLong(options);
  }

  /** Cancels everything, and waits until it has ended. */
  async end(limitMs: number): Promise<void> {
    const results = [...this.#all].map(({ result }) => result);
    for (const { controller } of this.#all) controller.abort();
    await Promise.race([Promise.allSettled(results), sleep(limitMs, undefined, { ref: false })]);
  }

  #begin(work: Work<T>): Ongoing<T> {
    const controller = new AbortController();
    const result = work(controller.signal, (progress) => call.onProgress(progress));
    const call: Ongoing<T> = { result, controller, onProgress: () => {} };
    this.#all.add(call);
    const forget = () => this.#all.delete(call);
    // It may be that nobody comes again.
    result.then(forget, forget);
    return call;
  }

  #pickUp(key: string): Ongoing<T> | undefined {
    const waiting = this.#left.get(key);
    const first = waiting?.shift();
    if (waiting?.length === 0) this.#left.delete(key);
    return first;
  }

  #leave(key: string, call: Ongoing<T>): void {
    const waiting = this.#left.get(key) ?? [];
    this.#left.set(key, [...waiting, call]);
    const forget = () => {
      const timer = setTimeout(() => this.#forget(key, call), keptMs);
      timer.unref();
    };
    call.result.then(forget, forget);
  }

  #forget(key: string, call: Ongoing<T>): void {
    const others = this.#left.get(key)?.filter((each) => each !== call) ?? [];
    if (others.length === 0) this.#left.delete(key);
    else this.#left.set(key, others);
  }
}

function tooLong({ name, patienceMs, goesOn }: LongCallOptions): PyroError {
  const taken = `${name} has not ended after ${Math.round(patienceMs / 1000)} s`;
  if (!goesOn) {
    return new PyroError("timeout", `${taken}, and was given up`, { hint: "Ask for less of it, or try again." });
  }
  return new PyroError("timeout", `${taken}, and goes on`, {
    hint: `Call ${name} again with the same arguments: it picks this call up and waits for its result.`,
  });
}
