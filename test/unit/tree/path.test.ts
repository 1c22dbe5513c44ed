import { expect, test } from "vitest";
import { parentKey, pathProblem } from "../../../src/tree/path.ts";

test.each([
  ["/etc/passwd", "its path is absolute"],
  ["a/../../b", "its path has '..' in it"],
  ["a//b", "its path has an empty name in it"],
  ["a/./b", "its path has an empty name in it"],
  ["a/", "its path has an empty name in it"],
  ["a\0b", "its name has a zero byte in it"],
  [`a/${"n".repeat(256)}`, "its path has a name of more than 255 bytes"],
  ["n/".repeat(2048), "its path is longer than 4095 bytes"],
])("%j is refused as a path", (path, problem) => {
  expect(pathProblem(Buffer.from(path))).toBe(problem);
});

test.each(["", "a", "a/b", "..a", "a..", "...", " ", "-rf", `${"n".repeat(255)}/x`])("%j is a path", (path) => {
  expect(pathProblem(Buffer.from(path))).toBeUndefined();
});

test("every path leads to the root by its parents", () => {
  expect([parentKey("a/b/c"), parentKey("a"), parentKey("")]).toEqual(["a/b", "", undefined]);
});
