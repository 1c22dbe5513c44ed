import { fromCharacterStart, pageEnd } from "./utf8.ts";

/** Ways to say less where a model's client would cut off; whoever shortens says what is left out in its place. */

const newline = 0x0a;

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

/** The first bytes, at most about so many: whole lines where they are not too long, whole characters in any case. */
export function firstBytes(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes;
  const end = pageEnd(bytes, 0, Math.max(1, Math.floor(maxBytes)));
  const line = bytes.subarray(0, end).lastIndexOf(newline);
  return bytes.subarray(0, line > end / 2 ? line + 1 : end);
}

/** The last bytes, likewise. */
export function lastBytes(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes;
  const end = bytes.subarray(bytes.length - Math.max(1, Math.floor(maxBytes)));
  const line = end.indexOf(newline);
  const isNear = line !== -1 && line < end.length / 2;
  return isNear ? end.subarray(line + 1) : fromCharacterStart(end);
}

/** The beginning of a text that takes at most so many bytes. */
export function beginningOf(text: string, maxBytes: number): string {
  return firstBytes(Buffer.from(text), maxBytes).toString("utf8");
}
