import { createContext, Script } from "node:vm";
import { messageOf, PyroError } from "./errors.ts";

/** A pattern that takes longer over a line is given up for good, because some take for ever */
const matchMs = 100;
/** Only so much of a line is looked at, in characters */
const maxLineLength = 4_096;

const test = new Script("pattern.test(line)");

/** A regular expression of a caller, over text that a guest chooses. */
export class BoundedPattern {
  readonly #context: { pattern: RegExp; line: string };
  #isGivenUp = false;

  constructor(source: string) {
    try {
      this.#context = { pattern: new RegExp(source), line: "" };
    } catch (error) {
      throw new PyroError("invalid_argument", `cannot use the pattern '${source}': ${messageOf(error)}`, {
        hint: "Give a regular expression, such as 'listening on'.",
      });
    }
    createContext(this.#context);
  }

  /** Whether it took too long over a line. From then on it is found in none */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** Whether it is found in a line. */
  isIn(line: string): boolean {
    if (this.#isGivenUp) return false;
    this.#context.line = line.slice(0, maxLineLength);
    try {
      return test.runInContext(this.#context, { timeout: matchMs }) === true;
    } catch {
      this.#isGivenUp = true;
      return false;
    }
  }
}
