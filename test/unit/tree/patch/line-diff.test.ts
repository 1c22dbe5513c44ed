import { expect, test } from "vitest";
import { diffHunks } from "../../../../src/tree/patch/line-diff.ts";

const numbered = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`);

test("a change has three lines around it", () => {
  const lines = numbered(1, 9);
  expect(diffHunks(lines.join(""), lines.toSpliced(4, 1, "five\n").join(""))).toBe(
    "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
  );
});

test("counts of one are left out, an empty side is named by the line before", () => {
  expect(diffHunks("1\n", "2\n")).toBe("@@ -1 +1 @@\n-1\n+2\n");
  expect(diffHunks("", "1\n2\n")).toBe("@@ -0,0 +1,2 @@\n+1\n+2\n");
  expect(diffHunks("1\n", "")).toBe("@@ -1 +0,0 @@\n-1\n");
  expect(diffHunks("1\n", "1\n")).toBe("");
});

test("a last line without a newline is marked on the side that lacks it", () => {
  expect(diffHunks("1\n2", "1\n2\n")).toBe("@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+2\n");
  expect(diffHunks("", "1")).toBe("@@ -0,0 +1 @@\n+1\n\\ No newline at end of file\n");
  expect(diffHunks("1\n2", "0\n2")).toBe("@@ -1,2 +1,2 @@\n-1\n+0\n 2\n\\ No newline at end of file\n");
});

test("carriage returns are part of the line", () => {
  expect(diffHunks("1\r\n", "1\n")).toBe("@@ -1 +1 @@\n-1\r\n+1\n");
});

test("files that differ in too many lines get one hunk, from the first difference to the last", () => {
  const [before, after] = [numbered(100_000, 120_000), numbered(200_000, 220_000)];
  const kept = numbered(1, 9);
  const hunks = diffHunks([...kept, ...before, ...kept].join(""), [...kept, ...after, ...kept].join(""));
  expect(hunks).toBe(
    [
      "@@ -7,20007 +7,20007 @@\n",
      ...numbered(7, 9).map((line) => ` ${line}`),
      ...before.map((line) => `-${line}`),
      ...after.map((line) => `+${line}`),
      ...numbered(1, 3).map((line) => ` ${line}`),
    ].join(""),
  );
});
