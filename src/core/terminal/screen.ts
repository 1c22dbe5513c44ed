import { Line, lineEnd } from "./line.ts";

/** Rows that a cursor can still reach. What is above them is final */
const maxRows = 200;
/** Rows that a program without a terminal believes in */
const screenRows = 24;
/** The last column of such a terminal, as far as a cursor goes to the right of a shorter line */
const lastColumn = 79;

interface Cursor {
  readonly row: number;
  readonly column: number;
}

/** A screen that is left while the alternate one is shown. */
interface LeftScreen extends Cursor {
  readonly rows: Line[];
  readonly top: number;
}

/**
 * The lines of a terminal, as far as a cursor reaches back. Lines are as long as their text: they
 * do not wrap, because the model that reads them has no right edge.
 */
export class Screen {
  readonly #onFinal: (line: Line) => void;
  #rows: Line[] = [new Line()];
  #row = 0;
  #column = lineEnd;
  /** First row of what a terminal of the usual height shows */
  #top = 0;
  #saved: Cursor = { row: 0, column: 0 };
  #left: LeftScreen | undefined;

  constructor(onFinal: (line: Line) => void) {
    this.#onFinal = onFinal;
  }

  /** Lines that are not final yet, the main screen's before the alternate one's. */
  get rows(): readonly Line[] {
    return this.#left === undefined ? this.#rows : [...this.#left.rows, ...this.#rows];
  }

  write(text: string): void {
    this.#column = this.#line.write(this.#column, text);
  }

  carriageReturn(): void {
    this.#column = 0;
  }

  lineFeed(): void {
    this.#toRow(this.#row + 1);
    // Output without a terminal has line feeds alone, which begin a new line.
    this.#column = 0;
  }

  /** Moves to another row of the screen, in the same column. */
  moveRows(count: number): void {
    this.#resolveColumn();
    const lowest = Math.max(this.#rows.length - 1, this.#top + screenRows - 1);
    this.#toRow(Math.min(lowest, Math.max(0, this.#row + count)));
  }

  moveColumns(count: number): void {
    this.toColumn(this.#resolveColumn() + count);
  }

  toColumn(column: number): void {
    const rightmost = column > lastColumn ? Math.max(lastColumn, this.#line.width) : column;
    this.#column = Math.max(0, Math.min(column, rightmost));
  }

  /** Moves to a row, counted from the top of the screen. */
  toScreenRow(row: number): void {
    this.#resolveColumn();
    this.#toRow(this.#top + Math.max(0, Math.min(row, screenRows - 1)));
  }

  eraseInLine(mode: number): void {
    const column = this.#resolveColumn();
    if (mode === 0) this.#line.erase(column, lineEnd);
    if (mode === 1) this.#line.erase(0, column + 1);
    if (mode === 2) this.#line.erase(0, lineEnd);
  }

  eraseInScreen(mode: number): void {
    const column = this.#resolveColumn();
    if (mode === 0) {
      this.#line.erase(column, lineEnd);
      this.#rows.length = this.#row + 1;
    }
    if (mode === 1) {
      for (const line of this.#rows.slice(this.#top, this.#row)) line.erase(0, lineEnd);
      this.#line.erase(0, column + 1);
    }
    if (mode === 2) {
      for (const line of this.#rows.slice(this.#top)) line.erase(0, lineEnd);
      this.#rows.length = Math.max(this.#top, this.#row) + 1;
    }
  }

  eraseCharacters(count: number): void {
    const column = this.#resolveColumn();
    this.#line.erase(column, column + count);
  }

  removeCharacters(count: number): void {
    this.#line.remove(this.#resolveColumn(), count);
  }

  insertCharacters(count: number): void {
    this.#line.insert(this.#resolveColumn(), count);
  }

  save(): void {
    this.#saved = { row: this.#row, column: this.#resolveColumn() };
  }

  restore(): void {
    this.#toRow(Math.min(this.#saved.row, this.#rows.length - 1));
    this.#column = this.#saved.column;
  }

  /** Clears the screen and goes to its beginning. */
  reset(): void {
    this.leaveAlternate();
    this.#toRow(this.#top);
    this.#column = 0;
    this.eraseInScreen(0);
  }

  enterAlternate(): void {
    if (this.#left !== undefined) return;
    this.#left = { rows: this.#rows, row: this.#row, column: this.#resolveColumn(), top: this.#top };
    this.#rows = [new Line()];
    this.#row = 0;
    this.#column = 0;
    this.#top = 0;
  }

  /** Returns to the main screen. What the alternate one showed is gone. */
  leaveAlternate(): void {
    if (this.#left === undefined) return;
    ({ rows: this.#rows, row: this.#row, column: this.#column, top: this.#top } = this.#left);
    this.#left = undefined;
  }

  get #line(): Line {
    return this.#rows[this.#row] as Line;
  }

  /** The column as a number: each row has its own end. */
  #resolveColumn(): number {
    if (this.#column === lineEnd) this.#column = this.#line.width;
    return this.#column;
  }

  #toRow(row: number): void {
    while (this.#rows.length <= row) this.#rows.push(new Line());
    this.#row = row;
    this.#top = Math.max(this.#top, this.#rows.length - screenRows);
    if (this.#rows.length > 2 * maxRows) this.#dropRows(this.#rows.length - maxRows);
  }

  #dropRows(count: number): void {
    const dropped = this.#rows.splice(0, count);
    this.#row = Math.max(0, this.#row - count);
    this.#top = Math.max(0, this.#top - count);
    this.#saved = { ...this.#saved, row: Math.max(0, this.#saved.row - count) };
    if (this.#left === undefined) for (const line of dropped) this.#onFinal(line);
  }
}
