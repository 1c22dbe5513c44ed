import fc from "fast-check";
import { expect, test } from "vitest";
import { formatChange } from "../../../../src/tree/patch/format.ts";
import { parsePatch } from "../../../../src/tree/patch/parse/parse.ts";
import { pathsOf, planPatch } from "../../../../src/tree/patch/plan.ts";
import {
  anyContent,
  changesBetween,
  clearTree,
  type Entry,
  gitContent,
  inTempDir,
  listTree,
  readTree,
  runGit,
  type Tree,
  treePairs,
  writeTree,
} from "./trees.ts";

const runs = { numRuns: 100 };

test("git apply makes of a tree what our patch says", () => {
  fc.assert(
    fc.property(treePairs(anyContent), ([before, after]) => {
      const patch = formatTree(before, after);
      inTempDir((dir) => {
        writeTree(dir, before);
        if (patch !== "") runGit(dir, ["apply", "--whitespace=nowarn"], patch);
        expect(listTree(readTree(dir))).toEqual(listTree(after));
      });
    }),
    runs,
  );
});

test("git apply takes our patch back", () => {
  fc.assert(
    fc.property(treePairs(anyContent), ([before, after]) => {
      const patch = formatTree(before, after);
      inTempDir((dir) => {
        writeTree(dir, after);
        if (patch !== "") runGit(dir, ["apply", "-R", "--whitespace=nowarn"], patch);
        expect(listTree(readTree(dir))).toEqual(listTree(before));
      });
    }),
    { numRuns: 40 },
  );
});

test("we make of a tree what a patch of git says, with renames, copies and bytes", () => {
  fc.assert(
    fc.property(treePairs(gitContent), fc.boolean(), ([before, after], quotesPaths) => {
      // Otherwise git prints the bytes of a name as they are, which is then no text.
      const mustQuote = [...before.keys(), ...after.keys()].some((path) => path.includes("\xff"));
      const patch = gitDiff(before, after, [
        ...["-c", `core.quotePath=${quotesPaths || mustQuote}`, "diff", "--cached", "--binary"],
        ...["-M", "-C", "--find-copies-harder"],
      ]);
      expect(listTree(applyToTree(before, patch))).toEqual(listTree(after));
    }),
    runs,
  );
});

test("we make of a tree what our own patch says", () => {
  fc.assert(
    fc.property(treePairs(anyContent), ([before, after]) => {
      expect(listTree(applyToTree(before, formatTree(before, after)))).toEqual(listTree(after));
    }),
    { numRuns: 200 },
  );
});

test("hunks of a file that has since grown go where git puts them", () => {
  const lines = fc.uniqueArray(fc.stringMatching(/^[a-z]{3}$/), { minLength: 10, maxLength: 40 });
  const edits = fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1), fc.boolean()), { minLength: 1, maxLength: 4 });
  const asTree = (list: readonly string[]): Tree =>
    new Map([["x", { type: "file", mode: 0o644, content: Buffer.from(list.map((line) => `${line}\n`).join("")) }]]);
  fc.assert(
    fc.property(lines, edits, fc.nat({ max: 60 }), (old, places, grown) => {
      const next = places.reduce(
        (list, [index, removed, adds], number) =>
          list.toSpliced(3 + (index % (list.length - 6)), removed, ...(adds ? [`NEW ${number}`] : [])),
        old,
      );
      const start = Array.from({ length: grown }, (_, index) => `${index}`);
      const patch = formatTree(asTree(old), asTree(next));
      fc.pre(patch !== "");
      inTempDir((dir) => {
        const before = asTree([...start, ...old]);
        writeTree(dir, before);
        // Git wants a hunk that begins at line 1 there, even if it has moved: the first lines are
        // far from it.
        fc.pre(grown === 0 || !patch.includes("@@ -1,"));
        runGit(dir, ["apply"], patch);
        expect(listTree(applyToTree(before, patch))).toEqual(listTree(readTree(dir)));
      });
    }),
    runs,
  );
});

test("our patch is that of git, to the byte", () => {
  const file = (text: string, mode = 0o644): Entry => ({ type: "file", mode, content: Buffer.from(text) });
  const link = (target: string): Entry => ({ type: "symlink", mode: 0o777, content: Buffer.from(target) });
  const lines = Array.from({ length: 30 }, (_, index) => `${index}\n`);
  const before = new Map([
    ["changed", file(lines.join(""))],
    ["deleted", file("1\n2")],
    ["emptied", file("1\n")],
    ["mode only", file("1\n")],
    ["mode too", file("1\n")],
    ["to link", file("1\n")],
    ["link", link("old target")],
    ["tab\there", file("1\n")],
    ["crlf", file("1\r\n2\r\n")],
    ["now bytes", file("1\n")],
  ]);
  const after = new Map([
    ["changed", file(lines.toSpliced(3, 1, "three\n").toSpliced(20, 2).concat("last").join(""))],
    ["added to", file("1\n2\n", 0o755)],
    ["added empty", file("")],
    ["emptied", file("")],
    ["mode only", file("1\n", 0o755)],
    ["mode too", file("2\n", 0o755)],
    ["to link", link("1")],
    ["link", link("new target")],
    ["tab\there", file("2\n")],
    ["sp ace\t", file("2\n")],
    ["crlf", file("1\r\n3\r\n")],
    ['"', file("1\n")],
    [Buffer.from("é").toString("latin1"), file("1\n")],
  ]);
  const patch = gitDiff(before, after, [
    ...["-c", "core.quotePath=false", "diff", "--cached", "--binary", "--no-renames", "--abbrev=7"],
  ]);
  expect(formatTree(before, after).split("\n")).toEqual(patch.split("\n"));
});

function formatTree(before: Tree, after: Tree): string {
  return changesBetween(before, after)
    .map((change) => formatChange(change).patch ?? "")
    .join("");
}

function gitDiff(before: Tree, after: Tree, args: readonly string[]): string {
  return inTempDir((dir) => {
    runGit(dir, ["init", "--quiet"]);
    writeTree(dir, before);
    runGit(dir, ["add", "--all"]);
    runGit(dir, ["commit", "--quiet", "--allow-empty", "--message=before"]);
    clearTree(dir);
    writeTree(dir, after);
    runGit(dir, ["add", "--all"]);
    return runGit(dir, args);
  });
}

function applyToTree(before: Tree, patch: string): Tree {
  const after = new Map(before);
  if (patch === "") return after;
  const patches = parsePatch(patch);
  const asked = new Set(pathsOf(patches).map((path) => path.toString("latin1")));
  const directories = new Set([...before.keys()].flatMap(parentsOf));
  const { changes, adjusted } = planPatch(patches, (path) => {
    const key = path.toString("latin1");
    expect(asked).toContain(key);
    return directories.has(key) ? { type: "directory", mode: 0o755 } : (before.get(key) ?? null);
  });
  // What a program made needs no adjustment.
  expect(adjusted).toEqual([]);
  for (const { path, entry } of changes) {
    if (entry) after.set(path.toString("latin1"), entry);
    else after.delete(path.toString("latin1"));
  }
  return after;
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
