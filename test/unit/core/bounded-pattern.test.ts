import { expect, test } from "vitest";
import { BoundedPattern } from "../../../src/core/bounded-pattern.ts";

test("a pattern is found in a line, and in the beginning of a long one", () => {
  const pattern = new BoundedPattern("^up in \\d+ ms$");
  expect(["up in 7 ms", "upset", ""].map((line) => pattern.isIn(line))).toEqual([true, false, false]);
  expect(new BoundedPattern("needle").isIn(`${"x".repeat(5_000)}needle`)).toBe(false);
});

test("one that would go on for ever is given up for good", () => {
  const pattern = new BoundedPattern("^(a+)+$");
  expect(pattern.isIn("aa")).toBe(true);
  expect(pattern.isIn(`${"a".repeat(60)}b`)).toBe(false);
  expect([pattern.isGivenUp, pattern.isIn("aa")]).toEqual([true, false]);
});

test("one that is none is refused", () => {
  expect(() => new BoundedPattern("(")).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
