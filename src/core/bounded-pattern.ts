import { createContext, Script } from "node:vm";
import { messageOf, PyroError } from "./errors.ts";

/** Limit for one look, which blocks this process */
const lookMs = 1_000;
/** A pattern that has taken so long in all is given up for good, because some take for ever */
const budgetMs = 3_000;

const test = new Script("lines.some((line) => pattern.test(line))");

/** A regular expression of a caller, over text that a guest chooses. */
export class BoundedPattern {
  readonly #context: { pattern: RegExp; lines: readonly string[] };
  #spentMs = 0;

  constructor(source: string) {
    try {
      this.#context = { pattern: new RegExp(source), lines: [] };
    } catch (error) {
      throw new PyroError("invalid_argument", `cannot use the pattern '${source}': ${messageOf(error)}`, {
        hint: "Give a regular expression, such as 'listening on'.",
      });
    }
    createContext(this.#context);
  }

  /** Whether it took too long. From then on it is found nowhere */
  get isGivenUp(): boolean {
    return this.#spentMs > budgetMs;
  }

  /** Whether it is found in one of the lines. */
  isIn(lines: readonly string[]): boolean {
    if (this.isGivenUp) return false;
    this.#context.lines = lines;
    const startedMs = performance.now();
    try {
      return test.runInContext(this.#context, { timeout: lookMs }) === true;
    } catch {
      // It was cut off.
      return false;
    } finally {
      this.#spentMs += performance.now() - startedMs;
    }
  }
}
