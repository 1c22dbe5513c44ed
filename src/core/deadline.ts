import { setTimeout as sleep } from "node:timers/promises";
import { PyroError, type PyroErrorOptions } from "./errors.ts";

export interface DeadlineOptions extends PyroErrorOptions {
  readonly timeoutMs: number;
  /** Object of "timed out … waiting for": `the guest agent of template 3f2a` */
  readonly waitingFor: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Settles as `work` does, or rejects with `cancelled` once the signal aborts. The caller must stop
 * `work` itself.
 */
export async function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  // A caller that gives up waiting must not leave an unhandled rejection.
  work.catch(() => {});
  throwIfCancelled(signal);
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelledBy(signal));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Settles as `work` does, or rejects with `timeout` or `cancelled`. The caller must stop `work`
 * itself.
 */
export async function withDeadline<T>(work: Promise<T>, options: DeadlineOptions): Promise<T> {
  const { timeoutMs, waitingFor, signal } = options;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const seconds = timeoutMs / 1000;
      reject(new PyroError("timeout", `timed out after ${seconds} s waiting for ${waitingFor}`, options));
    }, timeoutMs);
  });
  try {
    return await unlessCancelled(Promise.race([work, limit]), signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for `work`, but no longer than a limit. Resolves to whether it has ended by then. */
export async function endsWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  const over = new AbortController();
  // The wait alone keeps no process alive.
  const late = sleep(limitMs, false, { ref: false, signal: over.signal });
  late.catch(() => {});
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    over.abort();
  }
}

const lastLookMs = 1_000;

/** Passes items on, and fails if none comes for `timeoutMs` while the reader waits. */
export async function* notIdle<T>(items: AsyncIterable<T>, options: DeadlineOptions): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = iterator.next();
    const item = await withDeadline(next, options).catch(async (error: unknown) => {
      // After a stop of this process timers run before the input that waits.
      const isLate = error instanceof PyroError && error.code === "timeout";
      const late = isLate ? await Promise.race([next, sleep(lastLookMs, undefined, { ref: false })]) : undefined;
      if (late) return late;
      throw error;
    });
    if (item.done) return;
    yield item.value;
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelledBy(signal);
}

function cancelledBy(signal: AbortSignal): PyroError {
  const reason: unknown = signal.reason;
  return reason instanceof PyroError
    ? reason
    : new PyroError("cancelled", "the operation was cancelled", { cause: reason });
}
