import { expect } from "vitest";
import { type FirstWords, readFirstWords } from "../../../../src/network/server-name/first-words.ts";

const continuations = ["", "\0", "\r\n", "\n\n", "Host: other.example\r\n\r\n", "\x16\x03\x01"];

/**
 * Reads every prefix of the bytes, and the bytes with more after them. What is decided must stay,
 * so that it makes no difference how bytes arrive. Returns the decision and the length that it
 * takes.
 */
export function decisionOn(bytes: Buffer, step = 1): { words: FirstWords; decidedAt: number } {
  const words = readFirstWords(bytes);
  let decidedAt = bytes.length;
  for (let length = 0; length < bytes.length; length += step) {
    const early = readFirstWords(bytes.subarray(0, length));
    if (early.kind === "incomplete" && decidedAt === bytes.length) continue;
    decidedAt = Math.min(decidedAt, length);
    // A plain comparison first: expect() for each of 10,000 prefixes is slow.
    if (JSON.stringify(early) !== JSON.stringify(words)) expect(early).toEqual(words);
  }
  if (words.kind === "incomplete") return { words, decidedAt };
  for (const more of continuations) {
    expect(readFirstWords(Buffer.concat([bytes, Buffer.from(more, "latin1")]))).toEqual(words);
  }
  return { words, decidedAt };
}
