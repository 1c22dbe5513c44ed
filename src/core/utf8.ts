/**
 * The place at or up to three bytes before `at` where a cut leaves each character of UTF-8 text
 * whole. A character that the end of the bytes cuts off counts as incomplete. Bytes that are not
 * text are cut at `at`.
 */
export function characterBoundary(bytes: Buffer, at: number): number {
  if (at < bytes.length && !isContinuation(bytes[at])) return at;
  for (let start = at - 1; start >= Math.max(0, at - 3); start--) {
    if (isContinuation(bytes[start])) continue;
    return start + lengthOf(bytes[start]) > at ? start : at;
  }
  return at;
}

/** Without the part of a character at the end that was cut in two. */
export function wholeCharacters(bytes: Buffer): Buffer {
  return bytes.subarray(0, characterBoundary(bytes, bytes.length));
}

/** Without the part of a character at the start that was cut in two. */
export function fromCharacterStart(bytes: Buffer): Buffer {
  let start = 0;
  while (start < 3 && isContinuation(bytes[start])) start++;
  return bytes.subarray(start);
}

/**
 * The end of a page of about `maxBytes`. It is the end of a character, and a page has at least one.
 */
export function pageEnd(bytes: Buffer, start: number, maxBytes: number): number {
  const end = start + maxBytes;
  if (end >= bytes.length) return bytes.length;
  const boundary = characterBoundary(bytes, end);
  return boundary > start ? boundary : characterEnd(bytes, start);
}

/** The end of the character at `start`, also if it is cut short by another one. */
export function characterEnd(bytes: Buffer, start: number): number {
  const longest = start + lengthOf(bytes[start]);
  let end = start + 1;
  while (end < longest && isContinuation(bytes[end])) end++;
  return end;
}

/** Bytes of a character after its first: 10xxxxxx */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Length of the character that begins with this byte; 1 for a byte that begins none. */
function lengthOf(byte = 0): number {
  if (byte >= 0xc2 && byte <= 0xdf) return 2;
  if (byte >= 0xe0 && byte <= 0xef) return 3;
  return byte >= 0xf0 && byte <= 0xf4 ? 4 : 1;
}
