import { endsWithin } from "../core/deadline.ts";
import { PyroError } from "../core/errors.ts";
import type { OperationProgress } from "../operations/operation.ts";

/** Time that a result waits to be picked up */
const keptMs = 10 * 60_000;

type OnProgress = (progress: OperationProgress) => void;
type Work<T> = (signal: AbortSignal, onProgress: OnProgress) => Promise<T>;

export interface LongCallOptions {
  /** Name of the call in messages: `workspace_create` */
  readonly name: string;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Called while this caller waits */
  readonly onProgress: OnProgress;
  /**
   * Whether the call continues without its caller. A read does not, because a new one gives a fresh
   * answer
   */
  readonly goesOn: boolean;
}

interface Ongoing<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  /** Reports progress to the caller that waits now */
  onProgress: OnProgress;
}

/**
 * Calls that can take longer than their client waits. Such a call continues, and the client gets
 * its result by the same call.
 */
export class LongCalls<T> {
  /** Calls whose caller was told to call again, by their name and input */
  readonly #left = new Map<string, Ongoing<T>[]>();
  readonly #all = new Set<Ongoing<T>>();

  /** Does `work`, or picks up the same call that was left. A cancelled call cancels its work. */
  async run(key: string, work: Work<T>, options: LongCallOptions): Promise<T> {
    // Two equal calls at the same time are two calls.
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

  /** Cancels all calls, and waits for their end. */
  async end(limitMs: number): Promise<void> {
    const results = [...this.#all].map(({ result }) => result);
    for (const { controller } of this.#all) controller.abort();
    await endsWithin(Promise.allSettled(results), limitMs);
  }

  #begin(work: Work<T>): Ongoing<T> {
    const controller = new AbortController();
    const result = work(controller.signal, (progress) => call.onProgress(progress));
    const call: Ongoing<T> = { result, controller, onProgress: () => {} };
    this.#all.add(call);
    const forget = () => this.#all.delete(call);
    // No caller may come back for it.
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
