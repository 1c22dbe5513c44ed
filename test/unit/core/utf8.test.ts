import fc from "fast-check";
import { expect, test } from "vitest";
import { characterBoundary, fromCharacterStart, pageEnd, wholeCharacters } from "../../../src/core/utf8.ts";

const anyText = fc.string({ unit: "binary", maxLength: 20 }).map((text) => Buffer.from(text, "utf8"));
const anyBytes = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));

/** Reads to the end, page by page, as a reader would who knows what comes next. */
function pagesOf(bytes: Buffer, maxBytes: number): Buffer[] {
  const pages: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    expect(characterBoundary(bytes, start)).toBe(start);
    const end = pageEnd(bytes, start, maxBytes);
    pages.push(bytes.subarray(start, end));
    start = end;
  }
  return pages;
}

test.each(["abc", "文", "naïve 🙂"])("whole characters of %j stay", (text) => {
  expect(wholeCharacters(Buffer.from(text)).toString()).toBe(text);
  expect(fromCharacterStart(Buffer.from(text)).toString()).toBe(text);
});

test("of a character that was cut in two neither part stays", () => {
  const bytes = Buffer.from("a🙂b");
  for (const at of [2, 3, 4]) {
    expect(wholeCharacters(bytes.subarray(0, at)).toString()).toBe("a");
    expect(fromCharacterStart(bytes.subarray(at)).toString()).toBe("b");
    expect(characterBoundary(bytes, at)).toBe(1);
  }
});

test("bytes that are no text stay", () => {
  const binary = Buffer.from([0xff, 0xfe, 0xfd, 0xfc, 0xfb]);
  expect(wholeCharacters(binary).equals(binary)).toBe(true);
  expect(wholeCharacters(Buffer.alloc(0))).toHaveLength(0);
});

test("a page has one character at least, however little was asked for", () => {
  expect(pagesOf(Buffer.from("a文🙂"), 1).map(String)).toEqual(["a", "文", "🙂"]);
});

test("pages of text are text, no longer than asked for, and together all of it", () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 8 }), (bytes, maxBytes) => {
      const pages = pagesOf(bytes, maxBytes);
      expect(Buffer.concat(pages).equals(bytes)).toBe(true);
      for (const page of pages) {
        expect(Buffer.from(page.toString("utf8")).equals(page)).toBe(true);
        expect(page.length).toBeLessThanOrEqual(Math.max(4, maxBytes));
      }
    }),
  );
});

test("pages of any bytes are together all of them", () => {
  fc.assert(
    fc.property(anyBytes, fc.integer({ min: 1, max: 8 }), (bytes, maxBytes) => {
      expect(Buffer.concat(pagesOf(bytes, maxBytes)).equals(bytes)).toBe(true);
    }),
    { examples: [[Buffer.from([0xe0, 0x80, 0xc2, 0x80]), 1]] },
  );
});
