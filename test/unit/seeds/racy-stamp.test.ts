import { expect, test } from "vitest";
import { isSettled } from "../../../src/seeds/racy-stamp.ts";

test("a stamp is trusted only when the reading began two seconds after the last change", () => {
  expect(isSettled(10_000, 12_000)).toBe(true);
  expect(isSettled(10_000, 11_999)).toBe(false);
});

test("a stamp from the future is never trusted", () => {
  expect(isSettled(20_000, 12_000)).toBe(false);
});
