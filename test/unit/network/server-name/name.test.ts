import fc from "fast-check";
import { expect, test } from "vitest";
import { belongsTo, nameOf, shownName } from "../../../../src/network/server-name/name.ts";

test.each([
  ["example.com", "example.com"],
  ["EXAMPLE.com", "example.COM"],
  ["example.com.", "example.com"],
  ["example.com", "example.com."],
  ["example.com:80", "example.com"],
  ["example.com.:80", "example.com"],
  ["example.com:", "example.com"],
  ["a_b.example.com", "a_b.example.com"],
  ["192.0.2.1", "192.0.2.1"],
  ["192.0.2.1:80", "192.0.2.1"],
  ["[2001:db8::1]", "2001:db8::1"],
  ["[2001:DB8:0:0::1]:443", "2001:db8::1"],
  ["2001:db8::1", "2001:db8:0::1"],
  ["[::ffff:192.0.2.1]", "::ffff:c000:201"],
])("%j belongs to %j", (name, resolved) => {
  expect(belongsTo(name, resolved)).toBe(true);
});

test.each([
  [null, "example.com"],
  ["", "example.com"],
  ["", ""],
  [".", "."],
  ["www.example.com", "example.com"],
  ["example.com", "www.example.com"],
  ["example.com..", "example.com"],
  ["example.com:80:80", "example.com"],
  ["example.com:http", "example.com"],
  ["other.test@example.com", "example.com"],
  ["example.com/", "example.com"],
  [" example.com", "example.com"],
  ["example.com\\x00", "example.com"],
  ["[example.com]", "example.com"],
  ["192.0.2.1", "example.com"],
  ["example.com", "192.0.2.1"],
  ["192.0.2.01", "192.0.2.1"],
  ["3221225985", "192.0.2.1"],
  ["0xc0.0.2.1", "192.0.2.1"],
  ["[::ffff:192.0.2.1]", "192.0.2.1"],
  ["[192.0.2.1]", "192.0.2.1"],
  ["2001:db8::1:80", "2001:db8::1"],
  ["[2001:db8::1%25eth0]", "2001:db8::1"],
  ["[2001:db8::2]", "2001:db8::1"],
])("%j does not belong to %j", (name, resolved) => {
  expect(belongsTo(name, resolved)).toBe(false);
});

test("any texts can be compared, and a name belongs to itself", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6()), fc.string(), (name, other) => {
      expect(belongsTo(name, name)).toBe(nameOf(name) !== "");
      expect(belongsTo(name, other)).toBe(belongsTo(other, name));
    }),
  );
});

test("a shown name is short visible ASCII, and tells names apart", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 20 }), (bytes, others) => {
      const shown = shownName(Buffer.from(bytes));
      expect(shown).toMatch(/^[\x21-\x7e]{0,1027}$/);
      const isSame = Buffer.from(bytes).equals(Buffer.from(others));
      expect(shownName(Buffer.from(others)) === shown).toBe(isSame);
    }),
  );
});
