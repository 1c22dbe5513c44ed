import { type DecodedOutput, terminalText } from "../../operations/collected-output.ts";
import type { KeptOutput } from "./kept-output-pages.ts";

/** The end of a command's output, in a list of commands. */

/** How much of the end of a stream the last lines are taken from */
export const listedBytes = 64 * 1024;
const maxLines = 5;
const maxChars = 500;

/**
 * The last lines that a stream leaves on a terminal. If there are more before them, a line says how
 * to see those.
 */
export function lastLines(output: KeptOutput, sequence: number): DecodedOutput & { readonly isCut: boolean } {
  if (output.bytes.length === 0) return { text: "", encoding: "utf-8", isCut: false };
  const { text, encoding, isCut } = terminalText(fromLineStart(output), 2 * maxChars);
  const lines = text.split(/(?<=\n)/);
  const last = lines.slice(-maxLines);
  while (last.length > 1 && last.join("").length > maxChars) last.shift();
  const isAll = output.offset === 0 && last.length === lines.length;
  const before = isAll ? "" : `[… sequence=${sequence} shows what is before …]\n`;
  return { text: before + last.join(""), encoding, isCut: isCut || !isAll };
}

/** Without the part of a line that begins before what was read. */
function fromLineStart({ bytes, offset }: KeptOutput): Buffer {
  const newline = 0x0a;
  const end = offset === 0 ? -1 : bytes.indexOf(newline);
  // A last line this long has only this beginning.
  return end === bytes.length - 1 ? bytes : bytes.subarray(end + 1);
}
