import fc from "fast-check";
import { expect, test } from "vitest";
import { displayPath, quoteName, unquoteName } from "../../../../src/tree/patch/quoting.ts";

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
