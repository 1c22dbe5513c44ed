import { oddIn } from "./odd.ts";
import { columnsOf } from "./width.ts";

/** How much of a long line is shown, in UTF-16 code units. */
export interface LineLimits {
  /** A line up to this length is shown whole */
  readonly maxChars: number;
  readonly headChars: number;
  readonly tailChars: number;
}

export interface ShownLine {
  /** Still with what is odd in it */
  readonly text: string;
  /** Whether its middle was left out */
  readonly isClamped: boolean;
  /** Bytes that are not UTF-8, and control characters that a terminal does not know */
  readonly oddCount: number;
}

/** The place behind the last character, wherever that is */
export const lineEnd = Number.POSITIVE_INFINITY;

/** Length up to which a line can be overwritten. Beyond it only the last part is kept */
const maxEditable = 4096;
const maxBeyond = 2048;
/** Limit of a character with what joins it */
const maxCellChars = 16;
const tabColumns = 8;
/** Limit of one insertion */
const maxInserted = 80;

/**
 * A line of a screen without a right edge. It is plain text until something in it is overwritten,
 * and an array with an entry for each column from then on. A character of several columns stands in
 * the first of them, and empty text in the others.
 */
export class Line {
  #text = "";
  #cells: string[] | undefined;
  /** The end of what is too far to the right to be overwritten */
  #beyond = "";
  #beyondChars = 0;

  get width(): number {
    return this.#editable().length;
  }

  /** Writes over what is there, and returns the column behind it. */
  write(column: number, text: string): number {
    if (column === lineEnd || (column === 0 && this.#isEmpty)) {
      this.#append(text);
      return lineEnd;
    }
    const cells = this.#editable();
    let at = column;
    let written = 0;
    for (const character of text) {
      if (at >= maxEditable) break;
      while (cells.length < at) cells.push(" ");
      at = put(cells, at, character);
      written += character.length;
    }
    if (written < text.length) {
      this.#dropBeyond();
      this.#append(text.slice(written));
      return lineEnd;
    }
    return at === cells.length && this.#beyondChars === 0 ? lineEnd : at;
  }

  /** Erases columns. What is erased up to the end is gone. */
  erase(from: number, to: number): void {
    if (from === lineEnd) return;
    if (from === 0 && to === lineEnd) return this.#clear();
    const cells = this.#editable();
    split(cells, from);
    if (to < cells.length) {
      split(cells, to);
      cells.fill(" ", from, to);
    } else {
      cells.length = Math.min(cells.length, from);
      this.#dropBeyond();
    }
  }

  /** Takes columns out, so that what follows them moves to the left. */
  remove(column: number, count: number): void {
    const cells = this.#editable();
    split(cells, column);
    split(cells, column + count);
    cells.splice(column, count);
  }

  /** Makes place for columns. */
  insert(column: number, count: number): void {
    const cells = this.#editable();
    if (column >= cells.length || cells.length >= maxEditable) return;
    split(cells, column);
    cells.splice(column, 0, ...Array<string>(Math.min(count, maxInserted)).fill(" "));
  }

  /** The line as it is shown. Spaces at the end of an overwritten line are nothing. */
  show(limits: LineLimits): ShownLine {
    const kept = this.#cells?.join("") ?? this.#text;
    if (this.#beyondChars === 0 && kept.length <= limits.maxChars) {
      return shown(this.#cells === undefined ? kept : withoutSpacesAtEnd(kept), false);
    }
    const head = kept.slice(0, characterStart(kept, limits.headChars));
    const end = this.#beyondChars >= limits.tailChars ? this.#beyond : kept + this.#beyond;
    const tail = end.slice(characterStart(end, end.length - limits.tailChars));
    const more = charactersIn(kept) + this.#beyondChars - charactersIn(head) - charactersIn(tail);
    return shown(`${head}… [${more.toLocaleString("en")} more characters of this line] …${tail}`, true);
  }

  get #isEmpty(): boolean {
    return this.#text === "" && (this.#cells === undefined || this.#cells.length === 0) && this.#beyondChars === 0;
  }

  #clear(): void {
    this.#text = "";
    this.#cells = [];
    this.#dropBeyond();
  }

  #dropBeyond(): void {
    this.#beyond = "";
    this.#beyondChars = 0;
  }

  #editable(): string[] {
    if (this.#cells) return this.#cells;
    const cells: string[] = [];
    let read = 0;
    for (const character of this.#text) {
      if (cells.length >= maxEditable) break;
      put(cells, cells.length, character);
      read += character.length;
    }
    const [rest, beyond] = [this.#text.slice(read), this.#beyond];
    this.#text = "";
    this.#cells = cells;
    if (rest !== "") {
      this.#beyond = "";
      this.#appendBeyond(rest);
      this.#keepBeyond(this.#beyond + beyond);
    }
    return cells;
  }

  #append(text: string): void {
    if (this.#beyondChars > 0) return this.#appendBeyond(text);
    if (this.#cells === undefined) {
      const all = this.#text + text;
      if (all.length <= maxEditable) {
        this.#text = all;
        return;
      }
      const cut = characterStart(all, maxEditable);
      this.#text = all.slice(0, cut);
      return this.#appendBeyond(all.slice(cut));
    }
    let written = 0;
    for (const character of text) {
      if (this.#cells.length >= maxEditable) return this.#appendBeyond(text.slice(written));
      put(this.#cells, this.#cells.length, character);
      written += character.length;
    }
  }

  #appendBeyond(text: string): void {
    this.#beyondChars += charactersIn(text);
    this.#keepBeyond(this.#beyond + text);
  }

  #keepBeyond(text: string): void {
    this.#beyond = text.slice(characterStart(text, text.length - maxBeyond));
  }
}

/** Puts a character over what is there, and returns the column behind it. */
function put(cells: string[], column: number, character: string): number {
  if (character === "\t") {
    const stop = column - (column % tabColumns) + tabColumns;
    // Over text a tab only moves the cursor.
    if (column < cells.length) return stop;
    cells.push("\t");
    while (cells.length < stop) cells.push("");
    return stop;
  }
  const columns = columnsOf(character);
  if (columns === 0 && column > 0) {
    let base = column - 1;
    while (base > 0 && cells[base] === "") base -= 1;
    const joined = (cells[base] ?? "") + character;
    if (joined.length <= maxCellChars) cells[base] = joined;
    return column;
  }
  const end = column + Math.max(1, columns);
  split(cells, column);
  split(cells, end);
  cells[column] = character;
  if (columns === 2) cells[column + 1] = "";
  return end;
}

/** Makes spaces of a character of several columns that a cut before this column would divide. */
function split(cells: string[], column: number): void {
  if (cells[column] !== "") return;
  let start = column;
  while (start > 0 && cells[start] === "") start -= 1;
  cells[start] = " ";
  for (let at = start + 1; cells[at] === ""; at += 1) cells[at] = " ";
}

/** The same place, or the one before it if a surrogate pair would be cut in two. */
function characterStart(text: string, at: number): number {
  if (at <= 0) return 0;
  const isInside = (text.codePointAt(at - 1) ?? 0) > 0xffff;
  return isInside ? at - 1 : at;
}

function charactersIn(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    const isPair = (text.charCodeAt(at) & 0xfc00) === 0xd800;
    if (isPair) at += 1;
    count += 1;
  }
  return count;
}

function withoutSpacesAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === " ") end -= 1;
  return text.slice(0, end);
}

function shown(text: string, isClamped: boolean): ShownLine {
  return { text, isClamped, oddCount: oddIn(text) };
}
