import serializer from "@xterm/addon-serialize";
import xterm, { type IBuffer, type IMarker } from "@xterm/headless";
import type { TerminalSize } from "../../../guest/messages.ts";

/** Lines above the screen that are kept. A line of 120 characters takes some 1.5 KB */
const scrollbackLines = 2_000;
/** Positions of earlier readers that are remembered */
const maxMarks = 64;
/** The colours of text, background and cursor, which programs ask for and wait for */
const colours = [
  [10, "rgb:ffff/ffff/ffff"],
  [11, "rgb:0000/0000/0000"],
  [12, "rgb:ffff/ffff/ffff"],
] as const;
/**
 * Sequences that the terminal does one by one, as often as their number says: lines inserted and
 * deleted, scrolling, tabs, the last character again. A number larger than the screen would keep
 * this process busy, for good if it is large enough.
 */
const repeated = ["L", "M", "S", "T", "I", "Z", "b"];

/** Where the screen was when the output had come to a position. */
interface Mark {
  readonly position: number;
  /** undefined: the line is not kept any more, or the alternate screen was shown */
  readonly top: IMarker | undefined;
}

export interface ShownText {
  readonly text: string;
  /** Whether lines before it are not kept */
  readonly isCut: boolean;
}

/** The marks of a shell that says where its commands begin and end, as `OSC 133` has them. */
export interface CommandMarks {
  /** undefined: there were no marks */
  readonly isAtPrompt: boolean | undefined;
  readonly lastExitCode: number | null;
}

/** What a person would see of a shell: a terminal without a window. */
export class ShellScreen {
  readonly #terminal: xterm.Terminal;
  readonly #serializer = new serializer.SerializeAddon();
  readonly #marks: Mark[] = [];
  #position = 0;
  #isAtPrompt: boolean | undefined;
  #hasRun = false;
  #lastExitCode: number | null = null;

  /** `onAnswer` gets what a terminal answers when a program asks it something. */
  constructor(size: TerminalSize, onAnswer: (answer: string) => void) {
    this.#terminal = new xterm.Terminal({ ...size, scrollback: scrollbackLines, allowProposedApi: true });
    this.#terminal.loadAddon(this.#serializer);
    this.#terminal.onData(onAnswer);
    const { parser } = this.#terminal;
    parser.registerOscHandler(133, (mark) => this.#hear(mark));
    for (const [code, colour] of colours) {
      parser.registerOscHandler(code, (what) => {
        if (what === "?") onAnswer(`\x1b]${code};${colour}\x1b\\`);
        return what === "?";
      });
    }
    for (const final of repeated) {
      parser.registerCsiHandler({ final }, ([count]) => Number(count) > Math.max(this.size.cols, this.size.rows));
    }
    this.remember();
  }

  /** Resolves when the bytes are on the screen. */
  show(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#terminal.write(bytes, () => {
        this.#position += bytes.length;
        resolve();
      });
    });
  }

  resize({ cols, rows }: TerminalSize): void {
    this.#terminal.resize(cols, rows);
  }

  get size(): TerminalSize {
    const { cols, rows } = this.#terminal;
    return { cols, rows };
  }

  get cursor(): { readonly row: number; readonly column: number; readonly alternate: boolean } {
    const { active } = this.#terminal.buffer;
    return { row: active.cursorY, column: active.cursorX, alternate: active.type === "alternate" };
  }

  /** Whether a program wants cursor keys in their other form */
  get applicationCursorKeys(): boolean {
    return this.#terminal.modes.applicationCursorKeysMode;
  }

  get commandMarks(): CommandMarks {
    return { isAtPrompt: this.#isAtPrompt, lastExitCode: this.#lastExitCode };
  }

  /** Remembers the present position, from which a reader may go on. Returns it. */
  remember(): number {
    const { active } = this.#terminal.buffer;
    const last = this.#marks.at(-1);
    if (last?.position === this.#position) return this.#position;
    const top = active.type === "alternate" ? last?.top : this.#terminal.registerMarker(-active.cursorY);
    this.#marks.push({ position: this.#position, top });
    if (this.#marks.length > maxMarks) this.#forget(this.#marks.splice(1, 1)[0]);
    return this.#position;
  }

  #forget(mark: Mark | undefined): void {
    if (!this.#marks.some(({ top }) => top === mark?.top)) mark?.top?.dispose();
  }

  /** The lines that have left the screen since a position, then the screen. */
  textSince(position: number): ShownText {
    const { active, normal } = this.#terminal.buffer;
    if (active.type === "alternate") return { text: linesOf(active, active.baseY), isCut: false };
    const top = this.#marks.findLast((mark) => mark.position <= position)?.top;
    const isKept = top !== undefined && !top.isDisposed && top.line >= 0;
    return { text: linesOf(normal, isKept ? Math.min(top.line, normal.baseY) : 0), isCut: !isKept };
  }

  /** What brings another terminal of the same size to the same state, without earlier lines. */
  serialize(): string {
    return this.#serializer.serialize({ scrollback: 0 });
  }

  dispose(): void {
    this.#terminal.dispose();
  }

  #hear(mark: string): boolean {
    const [kind, code] = mark.split(";");
    if (kind === "A") this.#isAtPrompt = true;
    if (kind === "C") {
      this.#isAtPrompt = false;
      this.#hasRun = true;
    }
    // An empty line at the prompt runs nothing, and shows the last code again.
    if (kind === "D" && this.#hasRun && /^\d{1,3}$/.test(code ?? "")) this.#lastExitCode = Number(code);
    return true;
  }
}

/** The lines of a buffer from one on, those that were wrapped joined again. */
function linesOf(buffer: IBuffer, first: number): string {
  const lines: string[] = [];
  for (let row = first; row < buffer.length; row++) {
    const line = buffer.getLine(row);
    const goesOn = buffer.getLine(row + 1)?.isWrapped === true;
    const text = line?.translateToString(!goesOn) ?? "";
    if (line?.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  // Programs pad lines with spaces that are not seen.
  const seen = lines.map((line) => line.trimEnd());
  while (seen.at(-1) === "") seen.pop();
  return seen.join("\n");
}
