/** A promise that its holder settles. */
export class Deferred<T = void> {
  readonly promise: Promise<T>;
  #resolve: (value: T) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  resolve(value: T): void {
    this.#resolve(value);
  }
}

/** Runs one piece of work after another, in the order in which they came. */
export class SerialQueue {
  #last: Promise<void> = Promise.resolve();

  /** Settles as `work` does. The earlier work reports a failure to its own caller. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  /** Resolves when all that has been queued so far has ended, however it ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/** The same items, once the first of them has come. */
export async function begun<T>(items: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = items[Symbol.asyncIterator]();
  let first: IteratorResult<T> | undefined = await iterator.next();
  const next = () => {
    const result = first === undefined ? iterator.next() : Promise.resolve(first);
    first = undefined;
    return result;
  };
  const end = async () => (await iterator.return?.()) ?? { value: undefined, done: true as const };
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}
