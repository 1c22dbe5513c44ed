import fc from "fast-check";
import { expect, test } from "vitest";
import type { PyroError } from "../../../../src/core/errors.ts";
import { applyFilePatch as applyWhole } from "../../../../src/tree/patch/apply.ts";
import { formatChange } from "../../../../src/tree/patch/format.ts";
import { type FilePatch, parsePatch } from "../../../../src/tree/patch/parse/parse.ts";

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");

function only(text: string): FilePatch {
  const [patch] = parsePatch(text);
  if (!patch) throw new Error("the patch is empty");
  return patch;
}

const applyFilePatch = (old: Buffer | null, patch: FilePatch) => applyWhole(old, patch).content;
const apply = (old: string, hunks: string) => applyFilePatch(Buffer.from(old), only(`--- a/x\n+++ b/x\n${hunks}`));

function refusal(work: () => unknown): PyroError {
  try {
    work();
  } catch (error) {
    return error as PyroError;
  }
  throw new Error("the patch was applied");
}

const line = fc.oneof(
  fc.constantFrom("", "a", "b", "}", "-- a/x", "++ b/x", "@@ -1 +1 @@", "diff --git a/x b/x", "\\ No newline", "a\r"),
  fc.string({ unit: "grapheme", maxLength: 6 }).map((text) => text.replace(/[\n\0]/g, "")),
);
const text = fc
  .tuple(fc.array(line, { maxLength: 40 }), fc.constantFrom("\n", "\r\n"), fc.boolean())
  .map(([lines, end, isEnded]) => lines.join(end) + (isEnded && lines.length > 0 ? end : ""));

test("what formatChange() writes takes the old text to the new one", () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const [old, next] = [before, after].map((content) => ({
        type: "file" as const,
        mode: 0o644,
        content: Buffer.from(content),
      }));
      fc.pre(before !== after && old !== undefined && next !== undefined);
      const { textPatch } = formatChange({
        path: Buffer.from("x"),
        status: "modified",
        old: old ?? null,
        new: next ?? null,
      });
      const applied = applyFilePatch(Buffer.from(before), only(textPatch ?? ""));
      expect(applied.toString()).toBe(after);
    }),
    { numRuns: 500 },
  );
});

test("hunks are found at the nearest place, and the next ones are looked for as far away", () => {
  const hunks = "@@ -2,2 +2,2 @@\n-2\n+two\n 3\n@@ -10,1 +10,1 @@\n-x\n+y\n";
  const old = `0\n0\n0\n${numbered(1, 9)}x\nx\n`.replace("9\n", "9\nx\n");
  expect(apply(old, hunks).toString()).toBe(old.replace("2\n", "two\n").replace("x\nx\nx\n", "y\nx\nx\n"));
});

test("an insertion without context goes below the line that it names", () => {
  expect(apply("1\n2\n", "@@ -1,0 +2 @@\n+x\n").toString()).toBe("1\nx\n2\n");
  expect(apply("", "@@ -0,0 +1 @@\n+x\n").toString()).toBe("x\n");
  expect(refusal(() => apply("1\n", "@@ -5,0 +6 @@\n+x\n")).message).toContain("begins after the last line, 1");
});

test("a hunk that does not match says what it expected and what is there", () => {
  const error = refusal(() =>
    apply(numbered(1, 20), "@@ -2 +2 @@\n-2\n+two\n@@ -10,3 +10,3 @@\n 10\n-eleven\n+x\n 12\n"),
  );
  expect(error.code).toBe("failed_precondition");
  expect(error.message).toBe(
    'cannot apply patch to \'x\': hunk 2 (@@ -10,3 +10,3 @@) does not match at line 11: it is "11" and not "eleven"',
  );
  expect(error.details).toEqual({
    path: "x",
    hunk: 2,
    line: 11,
    expected: ["eleven\n", "12\n"],
    found: ["11\n", "12\n", "13\n", "14\n", "15\n"],
  });
  expect(error.hint).toBe("Read the file again, and make the patch from what it says now");
});

test("a hunk that matches on both sides at the same distance is refused", () => {
  const error = refusal(() => apply("a\nb\na\n", "@@ -2 +2 @@\n-a\n+x\n"));
  expect(error.message).toContain("matches equally well at lines 1 and 3");
});

test("hunks do not overlap, nor go back", () => {
  expect(refusal(() => apply("1\n2\n3\n", "@@ -1,2 +1,2 @@\n 1\n 2\n@@ -2 +2 @@\n-2\n+x\n")).message).toContain(
    "hunk 2",
  );
});

test.each([
  ["CR LF against LF", "1\n", "@@ -1 +1 @@\r\n-1\r\n+2\r\n", "End the lines of the patch with LF only"],
  ["a newline that is not there", "1", "@@ -1 +1 @@\n-1\n+2\n", "Mark the last line"],
  ["a newline that is there", "1\n", "@@ -1 +1 @@\n-1\n\\ No newline at end of file\n+2\n", "Take '\\ No newline"],
])("%s is not mended, but explained", (_, old, hunks, hint) => {
  expect(refusal(() => apply(old, hunks)).hint).toContain(hint);
});

test("a line without a newline is never joined with the next", () => {
  expect(refusal(() => apply("1", "@@ -1,0 +2 @@\n+2\n")).message).toContain(
    "line 1 of the result would have no newline",
  );
});

test("a deletion must have all lines of the file", () => {
  const deletion = only("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n");
  expect(applyFilePatch(Buffer.from("1\n"), deletion)).toHaveLength(0);
  expect(refusal(() => applyFilePatch(Buffer.from("1\n2\n"), deletion)).code).toBe("failed_precondition");
});

test("what is added must not exist, what is changed must", () => {
  const addition = only("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n");
  expect(applyFilePatch(null, addition).toString()).toBe("1\n");
  expect(refusal(() => applyFilePatch(Buffer.from(""), addition)).code).toBe("already_exists");
  expect(refusal(() => applyFilePatch(null, only("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"))).code).toBe("not_found");
});

test("bytes can be renamed, not patched", () => {
  const bytes = Buffer.from([0xff]);
  const rename = "diff --git a/x b/y\nrename from x\nrename to y\n";
  expect(applyFilePatch(bytes, only(rename))).toEqual(bytes);
  const error = refusal(() => applyFilePatch(bytes, only(`${rename}@@ -1 +1 @@\n-1\n+2\n`)));
  expect(error.message).toBe("cannot apply patch to 'y': the file is not UTF-8 text");
});

test("a hunk that nearly matches everywhere is given up", () => {
  const same = "x\n".repeat(200_000);
  const hunk = `@@ -1,10001 +1,10001 @@\n${" x\n".repeat(10_000)}-y\n+z\n`;
  expect(refusal(() => apply(same, hunk)).message).toContain("has too many places where it nearly matches");
});
