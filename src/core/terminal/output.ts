import { Decoder } from "./decoder.ts";
import type { LineLimits } from "./line.ts";
import { Parser } from "./parser.ts";
import { Screen } from "./screen.ts";
import { ShownLines } from "./shown-lines.ts";

/** How much of a line is shown if it is longer than `maxChars` */
const usualLimits: LineLimits = { maxChars: 4_096, headChars: 2_048, tailChars: 1_024 };

/**
 * The text that a program's output leaves on a terminal, shortened to a limit. What was overwritten
 * or erased is gone, and so are colors. A line is never wrapped, and of a very long one both ends
 * are shown. Memory and time per byte are bounded, whatever the bytes are.
 *
 * The emulators on npm (`@xterm/headless`) have a screen of fixed width: they would wrap each long
 * line, and then drop its beginning.
 */
export class TerminalOutput {
  readonly #decoder = new Decoder();
  readonly #lines: ShownLines;
  readonly #limits: LineLimits;
  readonly #screen: Screen;
  readonly #parser: Parser;
  #totalBytes = 0;

  constructor(maxChars: number) {
    this.#lines = new ShownLines(maxChars);
    this.#limits = limitsWithin(maxChars / 2);
    this.#screen = new Screen((line) => this.#lines.add(line.show(this.#limits), "\n"));
    this.#parser = new Parser(this.#screen);
  }

  /** Length of the output as the program wrote it */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  add(chunk: Buffer): void {
    this.#totalBytes += chunk.length;
    this.#parser.parse(this.#decoder.decode(chunk));
  }

  /** No more comes. */
  end(): void {
    this.#parser.parse(this.#decoder.rest());
  }

  /** The text until now, and whether some of what a terminal would show is left out of it. */
  result(): { readonly text: string; readonly isCut: boolean } {
    const lines = this.#lines.copy();
    const { rows } = this.#screen;
    for (const [index, row] of rows.entries()) {
      const isLast = index === rows.length - 1;
      const line = row.show(this.#limits);
      if (!isLast || line.text !== "") lines.add(line, isLast ? "" : "\n");
    }
    return { text: lines.text(this.#totalBytes), isCut: lines.isCut };
  }
}

function limitsWithin(maxChars: number): LineLimits {
  const { maxChars: usual, headChars, tailChars } = usualLimits;
  if (maxChars >= usual) return usualLimits;
  const share = maxChars / usual;
  return {
    maxChars: Math.floor(maxChars),
    headChars: Math.floor(headChars * share),
    tailChars: Math.floor(tailChars * share),
  };
}
