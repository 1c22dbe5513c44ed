/** Ways to say less where a model's client would cut off: what is left out is always told in its place. */

/** As many of the first items as take at most about `maxChars` characters of JSON. */
export function fitting<T>(items: readonly T[], maxChars: number): T[] {
  let taken = 0;
  let room = maxChars;
  for (const item of items) {
    room -= JSON.stringify(item).length;
    if (room < 0) break;
    taken += 1;
  }
  return items.slice(0, taken);
}

/** The first lines of a text that are at most `maxChars` long; of a longer line its beginning. */
export function beginningOf(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const room = Math.max(0, maxChars);
  const line = text.lastIndexOf("\n", room - 1);
  // A last line that is long is worth more than the end of a whole one.
  return line > room / 2 ? text.slice(0, line + 1) : wholePairs(text.slice(0, room));
}

/** The last lines of a text that are at most `maxChars` long; of a longer line its end. */
function endOf(text: string, maxChars: number): string {
  const start = text.length - Math.max(0, maxChars);
  const line = text.indexOf("\n", start);
  const isNear = line !== -1 && line < start + maxChars / 2 && line + 1 < text.length;
  const end = text.slice(isNear ? line + 1 : start);
  return /^[\uDC00-\uDFFF]/.test(end) ? end.slice(1) : end;
}

/** Without the first half of a character that was cut in two. */
function wholePairs(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}

export interface EndsOptions {
  readonly maxChars: number;
  /** What to say in place of the middle, for the bytes of the text that come before it */
  mark(bytesBefore: number, bytesShown: number): string;
}

/** A text's beginning and end, with a line between them. */
export function endsOf(text: string, { maxChars, mark }: EndsOptions): string {
  if (text.length <= maxChars) return text;
  const head = beginningOf(text, Math.floor(maxChars / 2));
  const tail = endOf(text, maxChars - head.length);
  const [before, after] = [Buffer.byteLength(head), Buffer.byteLength(tail)];
  return `${head}${head === "" || head.endsWith("\n") ? "" : "\n"}[… ${mark(before, before + after)} …]\n${tail}`;
}
