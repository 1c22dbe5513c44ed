import { isUtf8 } from "node:buffer";
import { characterEnd, wholeCharacters } from "../utf8.ts";
import { byteSurrogate } from "./odd.ts";

/** Decodes UTF-8 that comes in pieces. Each byte that is not UTF-8 stays one character. */
export class Decoder {
  #incomplete = Buffer.alloc(0);

  decode(chunk: Buffer): string {
    const bytes = this.#incomplete.length === 0 ? chunk : Buffer.concat([this.#incomplete, chunk]);
    const whole = wholeCharacters(bytes);
    this.#incomplete = Buffer.from(bytes.subarray(whole.length));
    return textOf(whole);
  }

  /** What is left of a character that never became complete. */
  rest(): string {
    return textOf(this.#incomplete);
  }
}

function textOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  const parts: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = validEnd(bytes, start);
    if (end > start) parts.push(bytes.toString("utf8", start, end));
    if (end < bytes.length) parts.push(String.fromCharCode(byteSurrogate + (bytes[end] ?? 0)));
    start = end + 1;
  }
  return parts.join("");
}

/** The end of the valid text that begins at `start`. */
function validEnd(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length) {
    if ((bytes[at] ?? 0) < 0x80) {
      at += 1;
      continue;
    }
    const end = characterEnd(bytes, at);
    if (end === at + 1 || !isUtf8(bytes.subarray(at, end))) return at;
    at = end;
  }
  return at;
}
