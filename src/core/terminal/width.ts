/** Columns that characters take on a terminal. */

/** First and last code points of characters that take two columns */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x23e9, 0x23ec],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];
/** Every character before this one takes one column */
const firstOdd = 0x300;
/** A lone one stands for a byte */
const [firstSurrogate, lastSurrogate] = [0xd800, 0xdfff];
const joinsBefore = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

/** 0 for a character that joins the one before it, such as an accent. */
export function columnsOf(character: string): 0 | 1 | 2 {
  const code = character.codePointAt(0) ?? 0;
  if (code < firstOdd || (code >= firstSurrogate && code <= lastSurrogate)) return 1;
  if (joinsBefore.test(character)) return 0;
  return wide.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}
