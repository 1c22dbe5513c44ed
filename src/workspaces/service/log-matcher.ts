import { StringDecoder } from "node:string_decoder";
import { Deferred } from "../../core/async.ts";
import { BoundedPattern } from "../../core/bounded-pattern.ts";

type Stream = "stdout" | "stderr";

/** How much of a line that has not ended is looked at again with what follows, in characters */
const maxHeldLength = 4_096;

/** Finds a pattern in the lines of a log. */
export class LogMatcher {
  readonly #pattern: BoundedPattern | undefined;
  readonly #decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  readonly #held = { stdout: "", stderr: "" };
  readonly #matched = new Deferred();
  #hasMatched = false;
  #isOver = false;

  constructor(pattern: string | undefined) {
    this.#pattern = pattern === undefined ? undefined : new BoundedPattern(pattern);
  }

  /** Resolves when a line has matched */
  get matched(): Promise<void> {
    return this.#matched.promise;
  }

  /** Why no line has matched; undefined if one has */
  get unmatched(): string | undefined {
    if (this.#hasMatched) return undefined;
    return this.#pattern?.isGivenUp ? "the pattern takes too long to look for" : "no line of its log has matched";
  }

  hear(stream: Stream, chunk: Buffer): void {
    const pattern = this.#pattern;
    if (!pattern || this.#hasMatched || this.#isOver) return;
    const lines = `${this.#held[stream]}${this.#decoders[stream].write(chunk)}`.split("\n");
    // A line that has not ended can match already, such as a prompt.
    if (pattern.isIn(lines)) {
      this.#hasMatched = true;
      this.#matched.resolve();
    }
    this.#held[stream] = (lines.at(-1) ?? "").slice(-maxHeldLength);
  }

  /** Nothing waits for a match any more. */
  stop(): void {
    this.#isOver = true;
  }
}
