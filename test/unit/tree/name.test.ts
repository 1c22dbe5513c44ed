import fc from "fast-check";
import { expect, test } from "vitest";
import { displayPath, oneLine, printablePath, quoteName, unquoteName } from "../../../src/tree/name.ts";

test.each([
  ["plain name", "plain name"],
  ["é", "é"],
  ["a\tb\n", '"a\\tb\\n"'],
  ['say "x"', '"say \\"x\\""'],
  ["back\\slash", '"back\\\\slash"'],
  ["\x01\x7f", '"\\001\\177"'],
  ["\u009b", '"\\302\\233"'],
  ["é\t", '"é\\t"'],
  ["folder /file", '"folder /file"'],
])("quoteName() writes %j as %s", (name, expected) => {
  expect(quoteName(Buffer.from(name))).toBe(expected);
});

test("quoteName() escapes every byte of a name that is not UTF-8", () => {
  expect(quoteName(Buffer.from("caf\xe9", "latin1"))).toBe('"caf\\351"');
});

test("displayPath() quotes only what is not UTF-8 or looks quoted", () => {
  expect(displayPath(Buffer.from("a\tb"))).toBe("a\tb");
  expect(displayPath(Buffer.from([0x61, 0xff]))).toBe('"a\\377"');
  expect(displayPath(Buffer.from('"a"'))).toBe('"\\"a\\""');
});

test.each([
  ["é ü", "é ü"],
  ["", "."],
  ['a\n\x1b[31mb\u202e"\\', '"a\\n\\033[31mb\\342\\200\\256\\"\\\\"'],
  ['"\u202e', '"\\"\\342\\200\\256"'],
])("printablePath() writes %j on one line, as %s", (name, expected) => {
  expect(printablePath(Buffer.from(name))).toBe(expected);
});

test("a printable name is git's form of the name, and printing it again changes nothing", () => {
  expect(printablePath(Buffer.from([0x61, 0xff, 0x0a]))).toBe('"a\\377\\n"');
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ minLength: 1 }), fc.string({ unit: "binary", minLength: 1 })), (content) => {
      const printed = printablePath(Buffer.from(content));
      expect(printed).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(oneLine(printed)).toBe(printed);
      const name = printed.startsWith('"') ? unquoteName(printed)?.name : Buffer.from(printed);
      expect(name).toEqual(Buffer.from(content));
    }),
  );
});

test("unquoteName() reads back every name, and says what follows it", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ min: 1 }), fc.string({ unit: "grapheme" })), (content) => {
      const name = Buffer.from(content);
      const quoted = quoteName(Buffer.concat([Buffer.from('"'), name]));
      expect(unquoteName(`${quoted} "rest`)).toEqual({
        name: Buffer.concat([Buffer.from('"'), name]),
        rest: ' "rest',
      });
    }),
  );
});

test.each(['"open', '"bad \\q"', '"\\400"', '"ends with \\"', "none"])("unquoteName() refuses %s", (text) => {
  expect(unquoteName(text)).toBeNull();
});
