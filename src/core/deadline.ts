import { setTimeout as sleep } from "node:timers/promises";
import { PyroError, type PyroErrorOptions } from "./errors.ts";

export interface DeadlineOptions extends PyroErrorOptions {
  readonly timeoutMs: number;
  /** What was being waited for, as the object of "timed out": `the guest agent of template 3f2a` */
  readonly waitingFor: string;
  readonly signal?: AbortSignal | undefined;
}

/** Settles as `work` does, or rejects with `cancelled` once the signal aborts; `work` itself must be stopped by the caller. */
export async function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  // Whoever gives up waiting must not leave a failure that nobody handles.
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

/** Settles as `work` does, or rejects with `timeout` or `cancelled`; `work` itself must be stopped by the caller. */
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

const lastLookMs = 1_000;

/** Passes on what comes, unless nothing comes for `timeoutMs` while it is waited for. */
export async function* notIdle<T>(items: AsyncIterable<T>, options: DeadlineOptions): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = iterator.next();
    const item = await withDeadline(next, options).catch(async (error: unknown) => {
      // After this process itself was stopped for a while, timers run before the input that waits.
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
