/**
 * Odd characters: control characters but white space, and lone surrogates. The code unit of such a
 * surrogate is 0xdc00 plus the value of a byte that is not UTF-8, and no text has any.
 */

export const byteSurrogate = 0xdc00;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const maybeOdd = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\udc80-\udcff]/;
const white = /\s/;

export function oddIn(text: string): number {
  if (!maybeOdd.test(text)) return 0;
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if ((code & 0xfc00) === 0xd800) at += 1;
    else if (isOdd(code)) count += 1;
  }
  return count;
}

/** Writes each odd character as the value of its byte. */
export function escapeOdd(text: string): string {
  return text.replace(/[\p{Cc}\u{dc80}-\u{dcff}]/gu, (character) => {
    if (white.test(character)) return character;
    const code = character.charCodeAt(0);
    const byte = code >= byteSurrogate ? code - byteSurrogate : code;
    return `\\x${byte.toString(16).padStart(2, "0")}`;
  });
}

function isOdd(code: number): boolean {
  if (code < 0x20) return code < 0x09 || code > 0x0d;
  return (code >= 0x7f && code <= 0x9f) || (code >= 0xdc80 && code <= 0xdcff);
}
