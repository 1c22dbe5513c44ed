import { type Form, formsOf } from "./forms.ts";
import { redactedMarker } from "./rules.ts";

/** Bytes that belong to values, from `start` up to `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What was found in some bytes. */
interface Scan {
  /** Places of values, in order. Values that overlap make one place */
  readonly ranges: readonly Range[];
  /** First byte that may begin a value which goes on behind the end */
  readonly openFrom: number;
}

/** How a form compares with bytes that begin where it should */
type Comparison = number | "differs" | "goes on";

/** Bytes by which a place is recognised where a form may begin. Every form is longer */
const anchorLength = 4;
const tableBits = 16;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
/** The bytes in place of a value */
export const marker = Buffer.from(redactedMarker);

/** Finds some values in bytes, in all forms in which they are looked for. */
export class SecretMatcher {
  /** By the first bytes of a form */
  readonly #forms = new Map<number, Form[]>();
  /** Whether any form begins with bytes of this hash. Most bytes of a stream are dismissed by it */
  readonly #mayBegin = new Uint8Array(2 ** tableBits);
  /** Limit for the bytes of one place, as long as it is not full of line ends */
  readonly reachBytes: number;

  constructor(values: Iterable<string>) {
    let longest = 0;
    for (const form of [...values].flatMap(formsOf)) {
      const anchor = form.bytes.readInt32BE(0);
      this.#mayBegin[hashOf(anchor)] = 1;
      this.#forms.set(anchor, [...(this.#forms.get(anchor) ?? []), form]);
      longest = Math.max(longest, form.bytes.length * (form.skipsLineEnds ? 2 : 1));
    }
    this.reachBytes = longest;
  }

  get isEmpty(): boolean {
    return this.#forms.size === 0;
  }

  /** All places, in bytes that are whole. */
  find(bytes: Buffer): readonly Range[] {
    return this.isEmpty ? [] : this.scan(bytes).ranges;
  }

  scan(bytes: Buffer): Scan {
    const scan = { ranges: [], openFrom: this.#openTail(bytes) };
    const mayBegin = this.#mayBegin;
    let anchor = 0;
    for (let index = 0; index < bytes.length; index += 1) {
      const byte = bytes[index] as number;
      if (byte === lineFeed || byte === carriageReturn) continue;
      anchor = (anchor << 8) | byte;
      if (mayBegin[hashOf(anchor)] === 1) this.#look(anchor, bytes, index, scan);
    }
    return scan;
  }

  /** Looks for the forms whose first bytes end at `index`. */
  #look(anchor: number, bytes: Buffer, index: number, found: { ranges: Range[]; openFrom: number }): void {
    const forms = this.#forms.get(anchor);
    if (!forms) return;
    const start = beginningOf(bytes, index);
    for (const form of forms) {
      const end = compare(form, bytes, start);
      if (end === "goes on") found.openFrom = Math.min(found.openFrom, start);
      else if (end !== "differs") addRange(found.ranges, start, end);
    }
  }

  /** The first of the last bytes that are the beginning of a form, but too few for the table. */
  #openTail(bytes: Buffer): number {
    let openFrom = bytes.length;
    let count = 0;
    for (let start = bytes.length - 1; start >= 0 && count < anchorLength - 1; start -= 1) {
      const byte = bytes[start];
      if (isLineEnd(byte)) continue;
      count += 1;
      const isOpen = [...this.#forms.values()].some((forms) =>
        forms.some((form) => form.bytes[0] === byte && compare(form, bytes, start) === "goes on"),
      );
      if (isOpen) openFrom = start;
    }
    return openFrom;
  }
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === lineFeed || byte === carriageReturn;
}

function hashOf(anchor: number): number {
  return Math.imul(anchor, 0x9e3779b1) >>> (32 - tableBits);
}

/** Where the bytes of an anchor begin that ends at `index`. */
function beginningOf(bytes: Buffer, index: number): number {
  let start = index;
  for (let count = 1; count < anchorLength; count += 1) {
    do start -= 1;
    while (isLineEnd(bytes[start]));
  }
  return start;
}

/** The end of a form that begins at `start`. */
function compare({ bytes: wanted, skipsLineEnds }: Form, bytes: Buffer, start: number): Comparison {
  let at = start;
  for (let index = 0; index < wanted.length; at += 1) {
    if (at >= bytes.length) return "goes on";
    const byte = bytes[at];
    if (byte === wanted[index]) index += 1;
    else if (!skipsLineEnds || !isLineEnd(byte)) return "differs";
  }
  return at;
}

/** Adds a place that begins at or behind all others. */
function addRange(ranges: Range[], start: number, end: number): void {
  const last = ranges.at(-1);
  if (!last || start >= last.end) ranges.push({ start, end });
  else if (end > last.end) ranges[ranges.length - 1] = { start: last.start, end };
}

/** The bytes from `start` to `end`, with a marker for each place that is in them or reaches in. */
export function withoutRanges(bytes: Buffer, ranges: readonly Range[], start = 0, end = bytes.length): Buffer {
  const parts: Buffer[] = [];
  let at = start;
  for (const range of ranges) {
    if (range.end <= at || range.start >= end) continue;
    parts.push(bytes.subarray(at, Math.max(at, range.start)), marker);
    at = range.end;
  }
  if (at < end) parts.push(bytes.subarray(at, end));
  return Buffer.concat(parts);
}
