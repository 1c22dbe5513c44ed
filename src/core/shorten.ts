import { fromCharacterStart, pageEnd } from "./utf8.ts";

/** Ways to shorten what a model's client would cut off. The caller says what it has left out. */

const newline = 0x0a;

/** As many of the first items as fit into about `maxChars` characters of JSON. */
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

/**
 * The first bytes, up to about `maxBytes`. It keeps lines whole if they are not too long, and
 * characters always.
 */
export function firstBytes(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes;
  const end = pageEnd(bytes, 0, Math.max(1, Math.floor(maxBytes)));
  const line = bytes.subarray(0, end).lastIndexOf(newline);
  return bytes.subarray(0, line > end / 2 ? line + 1 : end);
}

/** The last bytes, cut in the same way. */
export function lastBytes(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes;
  const end = bytes.subarray(bytes.length - Math.max(1, Math.floor(maxBytes)));
  const line = end.indexOf(newline);
  const isNear = line !== -1 && line < end.length / 2;
  return isNear ? end.subarray(line + 1) : fromCharacterStart(end);
}

/** The beginning of a text, up to about `maxBytes`. */
export function beginningOf(text: string, maxBytes: number): string {
  return firstBytes(Buffer.from(text), maxBytes).toString("utf8");
}
