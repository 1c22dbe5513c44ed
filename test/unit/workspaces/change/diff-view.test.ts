import { expect, test } from "vitest";
import { diffText, shortenDiff } from "../../../../src/workspaces/change/diff-view.ts";

const filePatch = (name: string, lines: number) =>
  `diff --git a/${name} b/${name}\n--- a/${name}\n+++ b/${name}\n@@ -0,0 +1,${lines} @@\n${"+a line of text\n".repeat(lines)}`;
const binaryPatch = (name: string) =>
  `diff --git a/${name} b/${name}\nGIT binary patch\nliteral 9000\n${"zcmV;@1poj532;bRa\n".repeat(450)}\n`;

function entry(name: string, textPatch: string | null, ignored = false) {
  const kind = { status: "added", artifactType: "file" } as const;
  return { path: `/workspace/${name}`, ...kind, textPatch, ignored };
}

function diffOf(entries: ReturnType<typeof entry>[], patch: string) {
  const counts = { total: entries.length, added: entries.length, modified: 0, deleted: 0, typeChanged: 0 };
  const summary = { ...counts, textPatched: entries.length, nonText: 0 };
  return { changed: entries.length > 0, summary, entries, patch, truncated: false };
}

test("a small diff is told as it is", () => {
  const patch = filePatch("a.txt", 3);
  const diff = diffOf([entry("a.txt", patch)], patch);
  expect(shortenDiff(diff, 10_000)).toEqual(diff);
  expect(diffText(diff)).toBe(`1 change: 1 added, 0 modified, 0 deleted\n\n${patch}`);
});

test("of a larger one no patch is told twice", () => {
  const patch = filePatch("a.txt", 300);
  const { patch: shown, entries, truncated } = shortenDiff(diffOf([entry("a.txt", patch)], patch), 10_000);
  expect([shown, entries[0]?.textPatch, truncated]).toEqual([patch, null, false]);
});

test("what can be read comes before what cannot, in whole files", () => {
  const [binary, text] = [binaryPatch("a.bin"), filePatch("z.txt", 20)];
  const diff = shortenDiff(diffOf([entry("a.bin", null), entry("z.txt", text)], `${binary}${text}`), 5_000);
  expect(diff.patch).toBe(`${text}[… the patches of 1 more files: workspace_diff with their paths shows them …]\n`);
  expect(diff.truncated).toBe(true);
  expect(diffText(diff)).toContain("added /workspace/a.bin (not in the patch below: workspace_export has it)");
});

test("one file that is too much is begun, and the others are named", () => {
  const [first, second] = [filePatch("a.txt", 2_000), filePatch("b.txt", 2_000)];
  const diff = shortenDiff(diffOf([entry("a.txt", first), entry("b.txt", second)], first + second), 5_000);
  expect(diff.patch).toMatch(/^diff --git a\/a\.txt/);
  expect(diff.patch).toContain("workspace_file_read shows the file, and those of 1 more files");
  expect(JSON.stringify(diff).length).toBeLessThan(6_500);
});

test("what the project ignores is counted, and not missed", () => {
  const patch = filePatch("a.txt", 1);
  const text = diffText(diffOf([entry("a.txt", patch), entry("b.pyc", null, true)], patch));
  expect(text).toContain("\n1 of them are new and ignored by the project, so not in the patch\n");
  expect(text).not.toContain("b.pyc");
});
