import { expect, test } from "vitest";
import { lastLines, listedBytes } from "../../../../src/workspaces/command/last-lines-view.ts";

/** The end of a stream, as a list of commands reads it. */
function listed(stream: string | Buffer) {
  const whole = Buffer.from(stream as string);
  const offset = Math.max(0, whole.length - listedBytes);
  const output = { bytes: whole.subarray(offset), isCut: false, offset, totalBytes: whole.length, nextOffset: null };
  return lastLines(output, 7);
}

const before = "[… sequence=7 shows what is before …]\n";

test.each<[what: string, stream: string, text: string, isCut: boolean]>([
  ["nothing", "", "", false],
  ["a few lines", "a\nb\n", "a\nb\n", false],
  ["five lines", "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n", false],
  ["the last five", "1\n2\n3\n4\n5\n6\n", `${before}2\n3\n4\n5\n6\n`, true],
  ["the last five of very many", `${"line\n".repeat(50_000)}end`, `${before}${"line\n".repeat(4)}end`, true],
  ["fewer of long ones", `${`${"x".repeat(200)}\n`.repeat(4)}`, `${before}${`${"x".repeat(200)}\n`.repeat(2)}`, true],
  ["the last state of progress", `${"\r\x1b[Kworking".repeat(20_000)}\r\x1b[Kdone\n`, `${before}done\n`, true],
])("%s", (_what, stream, text, isCut) => {
  expect(listed(stream)).toEqual({ text, encoding: "utf-8", isCut });
});

test("both ends of a line that is too long for all of them", () => {
  const { text, isCut } = listed("x".repeat(1_000_000));
  expect(text).toMatch(/x+… \[[\d,]+ more characters of this line\] …x+$/);
  expect(text.length).toBeLessThan(600);
  expect(isCut).toBe(true);
});
