import { expect, test } from "vitest";
import type { PyroError } from "../../../../../src/core/errors.ts";
import { maxPatchBytes, parsePatch } from "../../../../../src/tree/patch/parse/parse.ts";
import { maxHunks } from "../../../../../src/tree/patch/parse/patch-reader.ts";

const hunk = "@@ -1 +1 @@\n-1\n+2\n";

/** What a patch names, as text. */
function summary(text: string) {
  return parsePatch(text).map(({ kind, oldPath, newPath, oldMode, newMode }) => {
    const modes = [oldMode, newMode].map((mode) => mode?.toString(8) ?? "-").join(" ");
    return `${kind} ${oldPath?.toString("latin1") ?? "-"} ${newPath?.toString("latin1") ?? "-"} ${modes}`;
  });
}

function refusal(text: string): PyroError {
  try {
    parsePatch(text);
  } catch (error) {
    return error as PyroError;
  }
  throw new Error("the patch was accepted");
}

test.each([
  ["prefixes", "--- a/src/x\n+++ b/src/x\n", "modify src/x src/x - -"],
  ["no prefixes", "--- src/x\n+++ src/x\n", "modify src/x src/x - -"],
  ["dots", "--- ./src/x\n+++ ./src/x\n", "modify src/x src/x - -"],
  ["two trees", "--- old/src/x\n+++ new/src/x\n", "modify src/x src/x - -"],
  ["a folder that is called a", "--- a/x\n+++ a/x\n", "modify a/x a/x - -"],
  ["a name with a space, and a tab", "--- a/my x\t\n+++ b/my x\t\n", "modify my x my x - -"],
  ["timestamps", "--- x\t2020-01-01 10:00:00 +0100\n+++ x\t2020-01-01 10:00:00 +0100\n", "modify x x - -"],
  [
    "timestamps, and names with tabs",
    "--- a\tb\t2020-01-01 10:00:00.1 +0100\n+++ a\tb\t2020-01-01 10:00:00 +0100\n",
    "modify a\tb a\tb - -",
  ],
  ["a saved copy", "--- x.orig\n+++ x\n", "modify x x - -"],
  ["carriage returns", "--- a/x\r\n+++ b/x\r\n", "modify x x - -"],
  ["quotes", '--- "a/t\\tx"\t\n+++ "b/t\\tx"\n', "modify t\tx t\tx - -"],
  ["a quoted byte", '--- "a/\\377"\n+++ "b/\\377"\n', "modify \xff \xff - -"],
  ["a name in .git", "--- a/.git/config\n+++ b/.git/config\n", "modify .git/config .git/config - -"],
])("a unified diff may have %s", (_, names, expected) => {
  expect(summary(names + hunk)).toEqual([expected]);
});

test("a side of /dev/null, or of 1970, means that the file is added or deleted", () => {
  const [added, deleted] = ["@@ -0,0 +1 @@\n+1\n", "@@ -1 +0,0 @@\n-1\n"];
  const epoch = "\t1970-01-01 01:00:00.000000000 +0100";
  expect(summary(`--- /dev/null\n+++ b/x\n${added}`)).toEqual(["add - x - -"]);
  expect(summary(`--- a/x\n+++ /dev/null\n${deleted}`)).toEqual(["delete x - - -"]);
  expect(summary(`--- a/x${epoch}\n+++ b/x\n${added}`)).toEqual(["add - x - -"]);
  expect(summary(`--- a/x\n+++ b/x${epoch}\n${deleted}`)).toEqual(["delete x - - -"]);
  expect(summary(`--- a/x${epoch}\n+++ b/x\n${hunk}`)).toEqual(["modify x x - -"]);
});

test.each([
  ["modify", `index 1..2 100755\n--- a/x\n+++ b/x\n${hunk}`, "modify x x 100755 -"],
  ["change of mode", "old mode 100644\nnew mode 100755\n", "modify x x 100644 100755"],
  ["empty file", "new file mode 100644\nindex 0000000..e69de29\n", "add - x - 100644"],
  ["link", "new file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+t\n", "add - x - 120000"],
  ["deletion", "deleted file mode 100664\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n", "delete x - 100644 -"],
  ["rename", "similarity index 100%\nrename from p q\nrename to r\n", "rename p q r - -"],
  ["copy", 'copy from "\\303\\251"\ncopy to r\n', "copy \xc3\xa9 r - -"],
  ["names by the title only", hunk, "modify x x - -"],
  ["names without prefixes below", `--- x\n+++ x\n${hunk}`, "modify x x - -"],
])("a git diff: %s", (_, rest, expected) => {
  expect(summary(`diff --git a/x b/x\n${rest}`)).toEqual([expected]);
});

test.each([
  ["diff --git a/b c b/b c", "b c"],
  ["diff --git src/x src/x", "src/x"],
  ['diff --git "a/\\t" "b/\\t"', "\t"],
  ["diff --git i/x w/x", "x"],
])("%s names %j", (title, path) => {
  expect(summary(`${title}\nold mode 100644\nnew mode 100755\n`)).toEqual([`modify ${path} ${path} 100644 100755`]);
});

test("text around the files is ignored", () => {
  const text = [
    "From 1234 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n---\n x | 2 +-\n\n```diff\n",
    `diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n${hunk}-- \n2.39.5\n\n`,
    `Index: y\n=====\n--- y\n+++ y\n${hunk}\`\`\`\nThat is all.\n`,
  ].join("");
  expect(summary(text)).toEqual(["modify x x 100644 -", "modify y y - -"]);
});

test("lines of a hunk may look like headers, be empty, and lack the last newline", () => {
  const text =
    "--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@ heading\n--- a/y\n+++ b/y\n\n+@@ -1 +1 @@\n-old\n\\ No newline at end of file\n+new";
  expect(parsePatch(text)[0]?.hunks).toEqual([
    {
      header: "@@ -1,3 +1,4 @@",
      oldStart: 1,
      isCounted: true,
      headings: [],
      isAtEnd: false,
      isLastRemoved: false,
      oldLines: ["-- a/y\n", "\n", "old"],
      newLines: ["++ b/y\n", "\n", "@@ -1 +1 @@\n", "new\n"],
    },
  ]);
});

test.each([
  ["too few lines", "@@ -1,2 +1,2 @@\n 1\n-2\n", [["1\n", "2\n"], ["1\n"]]],
  [
    "too many lines at the end",
    "@@ -1 +1 @@\n-1\n+2\n 3\n",
    [
      ["1\n", "3\n"],
      ["2\n", "3\n"],
    ],
  ],
  [
    "too many lines of one side",
    "@@ -1 +1,2 @@\n-1\n-2\n+2\n+3\n",
    [
      ["1\n", "2\n"],
      ["2\n", "3\n"],
    ],
  ],
  ["another hunk too early", "@@ -1,2 +1,2 @@\n-1\n+2\n@@ -5 +5 @@\n-1\n+2\n", [["1\n"], ["2\n"]]],
])("a hunk with %s is counted anew", (_, body, [oldLines, newLines]) => {
  expect(parsePatch(`--- a/x\n+++ b/x\n${body}`)[0]?.hunks[0]).toMatchObject({
    oldStart: 1,
    isCounted: false,
    oldLines,
    newLines,
  });
});

test.each([
  ["nothing", "", "cannot read patch: it changes no file"],
  ["talk only", "Here is the patch.\n", "it changes no file"],
  ["a hunk without names", hunk, "line 1: this hunk has no '--- a/file'"],
  ["names without a hunk", "--- a/x\n+++ b/x\n", "line 1: no hunk follows"],
  ["a title without anything", "diff --git a/x b/x\nindex 1..2 100644\n", "line 1: the file has no hunk"],
  ["a hunk without numbers", "--- a/x\n+++ b/x\n@@ ... @@\n", "line 3: the hunk has no lines that begin with"],
  ["two absent sides", `--- /dev/null\n+++ /dev/null\n${hunk}`, "line 1: both sides are /dev/null"],
  ["two names", `--- a/x\n+++ b/y\n${hunk}`, "line 1: 'x' and 'y' are not the same file"],
  ["names at odds", `diff --git a/x b/x\n--- a/y\n+++ b/y\n${hunk}`, "line 2: it names 'a/y', the lines above say 'x'"],
  ["an absolute name", `--- /etc/x\n+++ /etc/x\n${hunk}`, "line 1: '/etc/x' is an absolute path"],
  ["a name above", `--- a/../x\n+++ b/../x\n${hunk}`, "line 1: '../x' has an empty part, '.' or '..' in it"],
  ["a rename to above", "diff --git a/x b/x\nrename from x\nrename to ../x\n", "line 1: '../x' has"],
  ["half a rename", "diff --git a/x b/x\nrename from x\n", "needs a 'rename from' and a 'rename to' line"],
  ["a submodule", "diff --git a/x b/x\nnew file mode 160000\n", "line 2: '160000' is not the mode"],
  ["a change of type", "diff --git a/x b/x\nold mode 100644\nnew mode 120000\n", "line 1: a new mode cannot turn"],
  ["a bad quote", `--- "a/\\q"\n+++ "b/\\q"\n${hunk}`, "line 1: the quoted name has no end"],
  ["a surrogate", `--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+\ud800\n`, "it is not UTF-8 text"],
])("a patch of %s is refused", (_, text, message) => {
  expect(refusal(text).code).toBe("invalid_argument");
  expect(refusal(text).message).toContain(message);
});

test("a patch that says only that bytes differ is unsupported", () => {
  const text = "diff --git a/x b/x\nindex 1..2\nBinary files a/x and b/x differ\n";
  expect(refusal(text).code).toBe("unsupported");
  expect(refusal(text).message).toBe(
    "cannot apply patch to 'x': line 3 says that bytes differ, and the patch does not have them",
  );
});

const binary = (rest: string) => `diff --git a/x b/x\nindex ${"0".repeat(40)}..${"1".repeat(40)}\n${rest}`;

test.each([
  [
    "short ids",
    "diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n",
    "line 3: a binary patch needs",
  ],
  ["no data", binary("GIT binary patch\n"), "neither 'literal' nor 'delta' and a size follow"],
  ["a wrong length", binary("GIT binary patch\nliteral 0\nIcmV?d00001\n\n"), "line 5: it is no line of a binary patch"],
  [
    "a wrong character",
    binary("GIT binary patch\nliteral 0\nHcmV?d0000,\n\n"),
    "line 5: it is no line of a binary patch",
  ],
  ["a wrong size", binary("GIT binary patch\nliteral 3\nHcmV?d00001\n\n"), "line 4: the lines below are damaged"],
  [
    "a size beyond the limit",
    binary("GIT binary patch\nliteral 99999999999\nHcmV?d00001\n\n"),
    "more than the limit of 16 MiB",
  ],
  ["a cut end", binary("GIT binary patch\nliteral 0\n"), "line 4: the lines below are damaged"],
])("a patch of bytes with %s is refused", (_, text, message) => {
  expect(refusal(text)).toMatchObject({ code: "invalid_argument", message: expect.stringContaining(message) });
});

test.each([
  ["hunks", `--- a/x\n+++ b/x\n${"@@\n-a\n+b\n".repeat(maxHunks + 1)}`],
  ["files", "*** Update File: x\n@@\n-a\n+b\n".repeat(maxHunks + 1)],
  ["blocks", "x\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n".repeat(maxHunks + 1)],
])("more than so many %s are refused", (_, text) => {
  expect(refusal(text)).toMatchObject({ code: "invalid_argument", message: expect.stringContaining("50000 hunks") });
});

test("a large patch is read, a larger one is refused", () => {
  const count = 1_000_000;
  const text = `--- a/x\n+++ b/x\n@@ -1,${count} +1,${count} @@\n${" 12345\n".repeat(count)}`;
  expect(parsePatch(text)[0]?.hunks[0]?.newLines).toHaveLength(count);
  expect(refusal("x".repeat(maxPatchBytes + 1)).message).toBe("cannot read patch: it is larger than 16 MiB");
});
