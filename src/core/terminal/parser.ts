import type { Screen } from "./screen.ts";

/** Characters that do something; what is between them is text */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const special = /[\u0007\b\n\r\u000e\u000f\u001b]/g;
const escapeCharacter = "\u001b";
const bell = "\u0007";

/** Longest sequence that is read. What is longer is dropped */
const maxSequenceChars = 64;
/** Longest title, link or picture. Text behind one that never ends is shown again */
const maxStringChars = 65_536;
/** Larger numbers in a sequence mean the edge of the screen */
const maxNumber = 9_999;

type State = "text" | "escape" | "charset" | "sequence" | "string" | "string-escape";

const csi = "[";
/** Begin operating system, device control, application and privacy strings */
const stringStarts = "]PX^_";
const alternateScreens = new Set(["?47", "?1047", "?1049"]);

/** Carries out the control characters and escape sequences of a program's output on a screen. */
export class Parser {
  readonly #screen: Screen;
  #state: State = "text";
  /** Parameters of the sequence that is being read */
  #parameters = "";
  #stringChars = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Takes whole characters. A sequence may go on in the next text. */
  parse(text: string): void {
    let at = 0;
    while (at < text.length) {
      if (this.#state !== "text") {
        at += this.#inSequence(text.charAt(at)) ? 1 : 0;
        continue;
      }
      special.lastIndex = at;
      const next = special.exec(text)?.index ?? text.length;
      if (next > at) this.#screen.write(text.slice(at, next));
      if (next < text.length) this.#control(text.charAt(next));
      at = next + 1;
    }
  }

  #control(character: string): void {
    if (character === "\n") this.#screen.lineFeed();
    if (character === "\r") this.#screen.carriageReturn();
    if (character === "\b") this.#screen.moveColumns(-1);
    if (character === escapeCharacter) this.#state = "escape";
  }

  /** Returns whether the character belonged to the sequence. Otherwise it is text. */
  #inSequence(character: string): boolean {
    // No sequence has a line break, so a broken one hides no more than the rest of its line.
    if (character === "\n" || character === "\u0018" || character === "\u001a") {
      this.#state = "text";
      return character !== "\n";
    }
    switch (this.#state) {
      case "escape":
        return this.#afterEscape(character);
      case "sequence":
        return this.#inParameters(character);
      case "string":
        return this.#inString(character);
      case "string-escape":
        this.#state = "text";
        if (character === "\\") return true;
        return this.#afterEscape(character);
      default:
        // The name of a character set
        this.#state = "text";
        return true;
    }
  }

  #afterEscape(character: string): boolean {
    this.#state = "text";
    if (character === escapeCharacter) this.#state = "escape";
    else if (character === csi) this.#begin("sequence");
    else if (stringStarts.includes(character)) this.#begin("string");
    else if (character >= " " && character <= "/") this.#state = "charset";
    else if (character < " " || character > "~") return false;
    else this.#simple(character);
    return true;
  }

  #begin(state: State): void {
    this.#state = state;
    this.#parameters = "";
    this.#stringChars = 0;
  }

  #simple(character: string): void {
    const screen = this.#screen;
    if (character === "7") screen.save();
    if (character === "8") screen.restore();
    if (character === "c") screen.reset();
    if (character === "D") screen.moveRows(1);
    if (character === "E") screen.lineFeed();
    if (character === "M") screen.moveRows(-1);
  }

  #inParameters(character: string): boolean {
    if (character >= " " && character <= "?") {
      if (this.#parameters.length < maxSequenceChars) this.#parameters += character;
      return true;
    }
    this.#state = "text";
    if (character < "@" || character > "~") return false;
    if (this.#parameters.length < maxSequenceChars) this.#carryOut(character, this.#parameters);
    return true;
  }

  #inString(character: string): boolean {
    if (character === bell) this.#state = "text";
    if (character === escapeCharacter) this.#state = "string-escape";
    this.#stringChars += 1;
    if (this.#stringChars > maxStringChars) this.#state = "text";
    return true;
  }

  #carryOut(name: string, parameters: string): void {
    const screen = this.#screen;
    if (parameters.startsWith("?")) {
      if (!alternateScreens.has(parameters)) return;
      if (name === "h") screen.enterAlternate();
      if (name === "l") screen.leaveAlternate();
      return;
    }
    const numbers = parameters.split(";").map((part) => Math.min(maxNumber, Number.parseInt(part, 10) || 0));
    const [first = 0, second = 0] = numbers;
    const count = Math.max(1, first);
    commands[name]?.(screen, { first, count, column: Math.max(1, second) - 1 });
  }
}

interface Numbers {
  readonly first: number;
  /** The first number, at least 1 */
  readonly count: number;
  /** The second number as a column from 0 */
  readonly column: number;
}

const commands: Readonly<Record<string, (screen: Screen, numbers: Numbers) => void>> = {
  "@": (screen, { count }) => screen.insertCharacters(count),
  A: (screen, { count }) => screen.moveRows(-count),
  B: (screen, { count }) => screen.moveRows(count),
  C: (screen, { count }) => screen.moveColumns(count),
  D: (screen, { count }) => screen.moveColumns(-count),
  E: (screen, { count }) => toLineStart(screen, count),
  F: (screen, { count }) => toLineStart(screen, -count),
  G: (screen, { count }) => screen.toColumn(count - 1),
  "`": (screen, { count }) => screen.toColumn(count - 1),
  H: (screen, { count, column }) => moveTo(screen, count - 1, column),
  f: (screen, { count, column }) => moveTo(screen, count - 1, column),
  J: (screen, { first }) => screen.eraseInScreen(first),
  K: (screen, { first }) => screen.eraseInLine(first),
  P: (screen, { count }) => screen.removeCharacters(count),
  X: (screen, { count }) => screen.eraseCharacters(count),
  d: (screen, { count }) => screen.toScreenRow(count - 1),
  s: (screen) => screen.save(),
  u: (screen) => screen.restore(),
};

function toLineStart(screen: Screen, rows: number): void {
  screen.moveRows(rows);
  screen.carriageReturn();
}

function moveTo(screen: Screen, row: number, column: number): void {
  screen.toScreenRow(row);
  screen.toColumn(column);
}
