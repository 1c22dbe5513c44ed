import { setTimeout as sleep } from "node:timers/promises";

/** Holds something back to a rate, after a first burst. */
export class Pace {
  readonly #perSecond: number;
  readonly #burst: number;
  #allowance: number;
  #atMs = performance.now();

  constructor({ perSecond, burst }: { perSecond: number; burst: number }) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#allowance = burst;
  }

  /** Resolves when the next one, or more at once, may go on. */
  async next(signal: AbortSignal, count = 1): Promise<void> {
    const nowMs = performance.now();
    this.#allowance = Math.min(this.#burst, this.#allowance + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    // What is missing is owed, so those that come later wait longer.
    this.#allowance -= count;
    if (this.#allowance >= 0) return;
    await sleep((-this.#allowance / this.#perSecond) * 1000, undefined, { signal, ref: false });
  }
}
