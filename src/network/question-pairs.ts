/** Resolvers ask for addresses of both families at once */
const pairMs = 1_000;
const maxPending = 1_000;

/** Tells the second question of a pair, for the other family's address, from a new attempt. */
export class QuestionPairs {
  readonly #first = new Map<string, { readonly type: string; readonly atMs: number }>();

  isSecond(key: string, type: string): boolean {
    const first = this.#first.get(key);
    this.#first.delete(key);
    if (first && first.type !== type && performance.now() - first.atMs < pairMs) return true;
    if (this.#first.size >= maxPending) this.#first.clear();
    this.#first.set(key, { type, atMs: performance.now() });
    return false;
  }
}
