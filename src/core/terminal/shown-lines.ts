import type { ShownLine } from "./line.ts";
import { escapeOdd } from "./odd.ts";

/**
 * Share of characters that are not text up to which output, or a line of it, counts as text. It has
 * to exceed a number too, for short output
 */
const maxOddPart = 0.25;
const maxOddCount = 8;
/** Length of a line that stands for what is not text */
const hiddenChars = 80;

interface KeptLine {
  readonly text: string;
  /** Whether a large part of it is not text */
  readonly isBinary: boolean;
  /** The same, and too long to show it nevertheless */
  readonly isHidden: boolean;
  /** What it takes of the limit */
  readonly chars: number;
  /** Of several hidden lines the sum */
  bytes: number;
}

/**
 * The first and the last lines of an output, each up to half of a limit. Lines that are not text
 * become a line that says so. Memory does not grow with the output.
 */
export class ShownLines {
  readonly #maxChars: number;
  #head: KeptLine[] = [];
  #headChars = 0;
  #tail: KeptLine[] = [];
  /** Index of the first line of the tail that still counts */
  #tailStart = 0;
  #tailChars = 0;
  #leftOutBytes = 0;
  #oddCount = 0;
  #charCount = 0;
  #isClamped = false;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** The same lines, to go on with apart from these. */
  copy(): ShownLines {
    const copy = new ShownLines(this.#maxChars);
    copy.#head = this.#head.map((line) => ({ ...line }));
    copy.#headChars = this.#headChars;
    copy.#tail = this.#tail.slice(this.#tailStart).map((line) => ({ ...line }));
    copy.#tailChars = this.#tailChars;
    copy.#leftOutBytes = this.#leftOutBytes;
    copy.#oddCount = this.#oddCount;
    copy.#charCount = this.#charCount;
    copy.#isClamped = this.#isClamped;
    return copy;
  }

  /** Whether not all of the text is shown */
  get isCut(): boolean {
    return this.#leftOutBytes > 0 || this.#isClamped || this.#isBinary || this.#all.some(({ isHidden }) => isHidden);
  }

  add({ text, isClamped, oddCount }: ShownLine, end: "\n" | ""): void {
    this.#oddCount += oddCount;
    this.#charCount += text.length + end.length;
    this.#isClamped ||= isClamped;
    const line = keptLine(text, oddCount, end);
    const before = this.#tail.at(-1) ?? this.#head.at(-1);
    if (line.isHidden && before?.isHidden) before.bytes += line.bytes;
    else this.#keep(line);
  }

  #keep(line: KeptLine): void {
    const half = this.#maxChars / 2;
    if (this.#tail.length === 0 && this.#headChars + line.chars <= half) {
      this.#head.push(line);
      this.#headChars += line.chars;
      return;
    }
    this.#tail.push(line);
    this.#tailChars += line.chars;
    while (this.#tailChars > half) {
      const dropped = this.#tail[this.#tailStart];
      if (dropped === undefined) break;
      this.#tailStart += 1;
      this.#tailChars -= dropped.chars;
      this.#leftOutBytes += dropped.isHidden ? dropped.bytes : Buffer.byteLength(dropped.text);
    }
    if (this.#tailStart > 1_000 && this.#tailStart > this.#tail.length / 2) {
      this.#tail = this.#tail.slice(this.#tailStart);
      this.#tailStart = 0;
    }
  }

  /** The lines as text. `totalBytes` is the length of the output that they came from. */
  text(totalBytes: number): string {
    const [head, tail] = [this.#head, this.#tail.slice(this.#tailStart)];
    if (this.#isBinary)
      return binaryText(this.#leftOutBytes > 0 ? { head, tail } : { head: this.#all, tail: [] }, totalBytes);
    const mark = this.#leftOutBytes > 0 ? leftOutMark(this.#leftOutBytes) : "";
    return readable(head) + mark + readable(tail);
  }

  get #all(): readonly KeptLine[] {
    return [...this.#head, ...this.#tail.slice(this.#tailStart)];
  }

  get #isBinary(): boolean {
    return this.#oddCount > Math.max(maxOddCount, maxOddPart * this.#charCount);
  }
}

function keptLine(text: string, oddCount: number, end: string): KeptLine {
  const isBinary = oddCount > maxOddPart * text.length;
  const isHidden = isBinary && oddCount > maxOddCount;
  const kept = isHidden ? "" : (oddCount === 0 ? text : escapeOdd(text)) + end;
  return {
    text: kept,
    chars: isHidden ? hiddenChars : kept.length,
    isBinary,
    isHidden,
    // Where much of it is odd, most characters are bytes.
    bytes: (oddCount === 0 ? Buffer.byteLength(text) : text.length) + end.length,
  };
}

/** Stands for bytes that are left out. */
export function leftOutMark(bytes: number, more = ""): string {
  return `[… ${bytes} bytes left out${more} …]\n`;
}

const mark = /^\[… (\d+) bytes left out …\]\n/gm;

/** Length of a shortened text before it was shortened. */
export function bytesBefore(shortened: Buffer): number {
  const text = shortened.toString("utf8");
  const fromMiddle = ({ index }: RegExpExecArray) => Math.abs(index - text.length / 2);
  const [nearest] = [...text.matchAll(mark)].toSorted((one, other) => fromMiddle(one) - fromMiddle(other));
  return nearest ? shortened.length - Buffer.byteLength(nearest[0]) + Number(nearest[1]) : shortened.length;
}

/** Stands for bytes that a reader of text could not read. */
export function notText(bytes: number | string): string {
  return `[${bytes} bytes that are not text: xxd or base64 shows them]\n`;
}

/** Text, with a line for each run of lines in it that are not text. */
function readable(lines: readonly KeptLine[]): string {
  const parts: string[] = [];
  let hiddenBytes = 0;
  const endRun = () => {
    if (hiddenBytes > 0) parts.push(notText(`about ${hiddenBytes}`));
    hiddenBytes = 0;
  };
  for (const line of lines) {
    if (line.isHidden) hiddenBytes += line.bytes;
    else {
      endRun();
      parts.push(line.text);
    }
  }
  endRun();
  return parts.join("");
}

/** What is not text, but for the readable lines before and behind all that is not. */
function binaryText(
  { head, tail }: { readonly head: readonly KeptLine[]; readonly tail: readonly KeptLine[] },
  totalBytes: number,
): string {
  const firstBinary = head.findIndex(({ isBinary }) => isBinary);
  const before = firstBinary === -1 ? head : head.slice(0, firstBinary);
  const end = tail.length > 0 ? tail : head.slice(before.length);
  const after = end.slice(end.findLastIndex(({ isBinary }) => isBinary) + 1);
  if (before.length === 0 && after.length === 0) return notText(totalBytes);
  const readBytes = [...before, ...after].reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...before.map(({ text }) => text),
    notText(`about ${totalBytes - readBytes}`),
    ...after.map(({ text }) => text),
  ].join("");
}
