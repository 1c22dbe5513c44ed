import { BoundedPattern } from "../../core/bounded-pattern.ts";

/** Lines longer than this are looked at in pieces, in characters */
const maxHeldLength = 8_192;

/** Finds a pattern in the lines of a log. */
export class LogMatcher {
  readonly #pattern: BoundedPattern | undefined;
  readonly #held = { stdout: "", stderr: "" };
  #hasMatched = false;

  constructor(pattern: string | undefined) {
    this.#pattern = pattern === undefined ? undefined : new BoundedPattern(pattern);
  }

  /** Why no line has matched; undefined if one has */
  get unmatched(): string | undefined {
    if (this.#hasMatched) return undefined;
    return this.#pattern?.isGivenUp ? "the pattern takes too long to look for" : "no line of its log has matched";
  }

  hear(stream: "stdout" | "stderr", chunk: Buffer): void {
    const pattern = this.#pattern;
    if (!pattern || this.#hasMatched) return;
    const lines = `${this.#held[stream]}${chunk.toString()}`.split("\n");
    // A line that has not ended can match already, such as a prompt.
    this.#hasMatched = lines.some((line) => pattern.isIn(line));
    this.#held[stream] = (lines.at(-1) ?? "").slice(-maxHeldLength);
  }
}
