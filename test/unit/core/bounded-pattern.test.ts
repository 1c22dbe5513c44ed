import { expect, test } from "vitest";
import { BoundedPattern } from "../../../src/core/bounded-pattern.ts";

test("a pattern is found in any of the lines", () => {
  const pattern = new BoundedPattern("^up in \\d+ ms$");
  expect([["begin", "up in 7 ms"], ["upset", ""], []].map((lines) => pattern.isIn(lines))).toEqual([
    true,
    false,
    false,
  ]);
});

test("one that would go on for ever is given up for good", () => {
  const pattern = new BoundedPattern("^(a+)+$");
  expect(pattern.isIn(["aa"])).toBe(true);
  while (!pattern.isGivenUp) expect(pattern.isIn([`${"a".repeat(60)}b`])).toBe(false);
  expect(pattern.isIn(["aa"])).toBe(false);
});

test("one that is none is refused", () => {
  expect(() => new BoundedPattern("(")).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
