import { PyroError, type PyroErrorOptions } from "./errors.ts";

export interface DeadlineOptions extends PyroErrorOptions {
  readonly timeoutMs: number;
  /** What was being waited for, as the object of "timed out": `the guest agent of template 3f2a` */
  readonly waitingFor: string;
  readonly signal?: AbortSignal | undefined;
}

/** Settles as `work` does, or rejects with `timeout` or `cancelled`; `work` itself must be stopped by the caller. */
export async function withDeadline<T>(work: Promise<T>, options: DeadlineOptions): Promise<T> {
  const { timeoutMs, waitingFor, signal } = options;
  // Whoever gives up waiting below must not leave a failure that nobody handles.
  work.catch(() => {});
  throwIfCancelled(signal);
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const seconds = timeoutMs / 1000;
      reject(new PyroError("timeout", `timed out after ${seconds} s waiting for ${waitingFor}`, options));
    }, timeoutMs);
    onAbort = () => reject(cancelledBy(signal));
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener("abort", onAbort);
  }
}

/** Passes on what comes, unless nothing comes for `timeoutMs` while it is waited for. */
export async function* notIdle<T>(items: AsyncIterable<T>, options: DeadlineOptions): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = await withDeadline(iterator.next(), options);
    if (next.done) return;
    yield next.value;
  }
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelledBy(signal);
}

function cancelledBy(signal: AbortSignal | undefined): PyroError {
  const reason: unknown = signal?.reason;
  return reason instanceof PyroError
    ? reason
    : new PyroError("cancelled", "the operation was cancelled", { cause: reason });
}
