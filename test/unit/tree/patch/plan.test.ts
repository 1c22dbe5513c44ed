import { expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { parsePatch } from "../../../../src/tree/patch/parse/parse.ts";
import { type PatchedEntry, pathsOf, planPatch } from "../../../../src/tree/patch/plan.ts";

const file = (content: string, mode = 0o644): PatchedEntry => ({ type: "file", mode, content: Buffer.from(content) });

const modify = (path: string, from: string, to: string) =>
  `--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-${from}\n+${to}\n`;
const rename = (from: string, to: string) => `diff --git a/${from} b/${to}\nrename from ${from}\nrename to ${to}\n`;
const copy = (from: string, to: string) => `diff --git a/${from} b/${to}\ncopy from ${from}\ncopy to ${to}\n`;
const add = (path: string, text: string) => `--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+${text}\n`;
const remove = (path: string, text: string) => `--- a/${path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-${text}\n`;
const chmod = (path: string, mode: string) => `diff --git a/${path} b/${path}\nnew mode ${mode}\n`;

function plan(patch: string, tree: Readonly<Record<string, PatchedEntry>>): string[] {
  return planPatch(parsePatch(patch), (path) => tree[path.toString()] ?? null).changes.map(({ path, status, entry }) =>
    `${status} ${path} ${entry ? `${entry.type} ${entry.mode.toString(8)} ${entry.content}` : ""}`.trim(),
  );
}

test.each([
  ["parts of one file follow one another", modify("x", "1", "2") + modify("x", "2", "3"), ["modified x file 640 3"]],
  ["a rename", rename("x", "z"), ["deleted x", "added z file 640 1"]],
  ["files that swap names", rename("x", "y") + rename("y", "x"), ["modified y file 640 1", "modified x file 755 2"]],
  [
    "a copy is of what was before",
    modify("x", "1", "3") + copy("x", "z"),
    ["modified x file 640 3", "added z file 640 1"],
  ],
  ["a file that another one replaces", remove("x", "1") + add("x", "2"), ["modified x file 644 2"]],
  [
    "a name that is free later",
    rename("y", "x") + rename("x", "z"),
    ["deleted y", "modified x file 755 2", "added z file 640 1"],
  ],
  ["a file that is added, changed and deleted", add("z", "1") + modify("z", "1", "2") + remove("z", "2"), []],
  ["execution by those who may read", chmod("x", "100755"), ["modified x file 750 1"]],
  ["no execution", chmod("y", "100644"), ["modified y file 644 2"]],
])("%s", (_, patch, expected) => {
  expect(plan(patch, { x: file("1\n", 0o640), y: file("2\n", 0o755) }).map((text) => text.trim())).toEqual(expected);
});

test("a file can take the place of a directory that the patch empties", () => {
  const tree = { dir: { type: "directory", mode: 0o755 } as const, "dir/x": file("1\n") };
  expect(plan(remove("dir/x", "1") + add("dir", "2"), tree)).toEqual(["deleted dir/x", "added dir file 644 2"]);
});

test.each([
  ["a file that is not there", modify("z", "1", "2"), "not_found", "cannot apply patch to 'z': there is no such file"],
  ["a file that is gone", remove("x", "1") + modify("x", "1", "2"), "not_found", "there is no such file"],
  ["a file that is there", add("x", "2"), "already_exists", "cannot add 'x': it exists"],
  ["a file that is there already", add("x", "1"), "already_exists", "cannot add 'x': it is already applied"],
  ["a full directory", add("dir", "1"), "already_exists", "cannot add 'dir': it exists"],
  ["a target that is there", rename("x", "y"), "already_exists", "cannot add 'y': it exists"],
  ["a folder", modify("dir", "1", "2"), "failed_precondition", "it is a directory, not a file"],
  [
    "a link, by a patch of a file",
    modify("link", "1", "2"),
    "failed_precondition",
    "it is a symbolic link, not a file",
  ],
  ["content that is not at hand", modify("large", "1", "2"), "failed_precondition", "it is too large"],
  ["a rename of a changed file", modify("x", "1", "2") + rename("x", "z"), "invalid_argument", "an earlier part"],
])("%s is refused", (_, patch, code, message) => {
  const tree: Record<string, PatchedEntry> = {
    x: file("1\n"),
    y: file("2\n"),
    dir: { type: "directory", mode: 0o755 },
    link: { type: "symlink", mode: 0o777, content: Buffer.from("1") },
    large: { type: "file", mode: 0o644 },
  };
  const thrown = (() => {
    try {
      return plan(patch, tree);
    } catch (error) {
      return PyroError.from(error);
    }
  })();
  expect(thrown).toMatchObject({ code, message: expect.stringContaining(message) });
});

test("pathsOf() names every path once", () => {
  const patches = parsePatch(add("z", "1") + rename("x", "y") + rename("y", "x"));
  expect(pathsOf(patches).map(String)).toEqual(["z", "x", "y"]);
});

test("a large file that a patch changes many times is given up", () => {
  const patch = Array.from({ length: 100 }, (_, index) => modify("x", `${index}`, `${index + 1}`)).join("");
  const tree = { x: file(`0\n${`${"x".repeat(1023)}\n`.repeat(10 * 1024)}`) };
  expect(() => plan(patch, tree)).toThrow("the files it changes add up to more than 512 MiB");
});
