import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { GuestChange } from "../../../../src/guest/tree/messages.ts";
import { formatChange } from "../../../../src/tree/patch/format.ts";
import { pathKey } from "../../../../src/tree/path.ts";
import { diffText, shortenDiff } from "../../../../src/workspaces/change/diff-view.ts";
import { type FoundChange, listChanges } from "../../../../src/workspaces/change/listing.ts";

type Side = {
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly type?: "directory" | "other";
} | null;

/** A change as the guest reports it. Without content a side is too large for that. */
function change(name: string | Buffer, old: Side, now: Side): FoundChange {
  const path = Buffer.from(name);
  const side = (given: Side) => given && { type: given.type ?? ("file" as const), mode: given.mode ?? 0o644 };
  const bytes = (given: Side) => (given?.content === undefined ? undefined : Buffer.from(given.content));
  const [before, after] = [side(old), side(now)];
  const status = !before ? "added" : !after ? "deleted" : before.type === after.type ? "modified" : "type_changed";
  const isOmitted = [old, now].some((given) => given && !given.type && given.content === undefined);
  const contentChanged = bytes(old)?.toString("latin1") !== bytes(now)?.toString("latin1") || isOmitted;
  const guest: GuestChange = { path, status, old: before, new: after, contentChanged };
  const formatted = isOmitted
    ? { textPatch: null, patch: null }
    : formatChange({
        path,
        status,
        old: before && { ...before, content: bytes(old) },
        new: after && { ...after, content: bytes(now) },
      });
  return { change: guest, key: pathKey(path), ...formatted, isOmitted };
}

const text = (content: string) => ({ content });
const edited = (name: string | Buffer, lines = 1) =>
  change(name, text("old\n"), text("a new line of text\n".repeat(lines)));
const added = (name: string | Buffer, lines = 1) => change(name, null, text("a line of text\n".repeat(lines)));
const folder = (name: string) => change(name, null, { type: "directory" });

function diffOf(changes: readonly FoundChange[], ignored: readonly string[] = []) {
  return { ...listChanges(changes, new Set(ignored)), uncomparedCount: 0, redactedCount: 0, outputPath: null };
}

test("a small diff is told as it is", () => {
  const diff = diffOf([added("a.txt")]);
  const shown = shortenDiff(diff, 10_000);
  expect(shown.entries).toEqual([
    {
      path: "/workspace/a.txt",
      status: "added",
      artifactType: "file",
      textPatch: diff.patch,
      inPatch: true,
    },
  ]);
  expect(shown).toMatchObject({ patch: diff.patch, patchTruncated: false, entriesTruncated: false });
  expect(diffText(shown)).toBe(`1 change: 1 added, 0 modified, 0 deleted\n\n${diff.patch}`);
});

test("what could not be compared is told, also if nothing else has changed", () => {
  expect(diffText(diffOf([]))).toBe("No changes.\n");
  expect(diffText({ ...diffOf([]), uncomparedCount: 2 })).toBe(
    "No changes.\nNot compared: 2, which vanished meanwhile or could not be read.\n",
  );
});

test("of a larger one no patch is told twice", () => {
  const diff = diffOf([added("a.txt", 300)]);
  const { patch, entries, patchTruncated } = shortenDiff(diff, 10_000);
  expect([patch, entries[0]?.textPatch, entries[0]?.inPatch, patchTruncated]).toEqual([diff.patch, null, true, false]);
});

test("edits come first, then what was deleted or became something else, then what is new, and what is folded last", () => {
  const changes = [
    added(".git/index"),
    added("aaa/new.txt"),
    folder("aaa"),
    added("build/out.o"),
    folder("build"),
    change("gone.txt", text("x\n"), null),
    change("link", text("x\n"), { type: "directory" }),
    edited("src/z.py"),
  ];
  const diff = diffOf(changes, ["build", "build/out.o"]);
  expect(diff.entries.map(({ path, leftOut = "" }) => [path.replace("/workspace/", ""), leftOut])).toEqual([
    ["src/z.py", ""],
    ["gone.txt", ""],
    ["link", "directory"],
    ["aaa", ""],
    ["aaa/new.txt", ""],
    ["build", "ignored"],
    ["build/out.o", "ignored"],
    [".git/index", "git"],
  ]);
  expect(diff.patch.match(/^diff --git a\/\S+/gm)).toEqual(
    ["src/z.py", "gone.txt", "link", "aaa/new.txt"].map((name) => `diff --git a/${name}`),
  );
  expect(diffText(shortenDiff(diff, 10_000))).toContain(
    "\n.git/index (1 changed, which git takes no patch for)\nbuild/out.o (1 new, ignored)\n\ndiff --git a/src/z.py",
  );
});

test("one edit among thousands of new files is in entries, patch and text, however little room there is", () => {
  const many = Array.from({ length: 3_000 }, (_, index) => added(`deps/file-${index}.js`, 20));
  const ignored = Array.from({ length: 400 }, (_, index) => added(`dist/${index}.js`, 20));
  const ignoredKeys = ["dist", ...ignored.map(({ key }) => key)];
  const diff = diffOf([...many, folder("dist"), ...ignored, edited("src/app.py")], ignoredKeys);
  for (const room of [4_000, 10_000, 100_000]) {
    const shown = shortenDiff(diff, room);
    expect(JSON.stringify(shown).length, String(room)).toBeLessThan(room * 1.1);
    expect(shown.entries[0]).toMatchObject({ path: "/workspace/src/app.py", inPatch: true });
    expect(shown.patch).toMatch(/^diff --git a\/src\/app\.py /);
    expect(shown).toMatchObject({ entriesTruncated: true, patchTruncated: true, ignoredCount: 400 });
    expect(diffText(shown)).toContain("dist (400 new, ignored)");
  }
});

test("many places with ignored files take no room from the edits", () => {
  const names = Array.from({ length: 500 }, (_, index) => `package-${index}/${"deep/".repeat(100)}cache.pyc`);
  const edits = Array.from({ length: 12 }, (_, index) => edited(`src/${index}.py`, 5));
  const shown = shortenDiff(diffOf([...names.map((name) => added(name)), ...edits], names), 10_000);
  expect(shown.patch.match(/^diff --git /gm)).toHaveLength(12);
  expect(shown).toMatchObject({ patchTruncated: false, foldedCount: 500, ignoredCount: 500 });
  expect(diffText(shown)).toContain(`… and ${500 - shown.folded.length} more places with new files`);
});

test("a new directory is in the patch only with a file of it", () => {
  const shown = shortenDiff(diffOf([edited("a.txt"), folder("new"), added("new/large.txt", 2_000)]), 5_000);
  expect(shown.entries.map(({ path, inPatch, leftOut }) => [path, inPatch, leftOut])).toEqual([
    ["/workspace/a.txt", true, undefined],
    ["/workspace/new", false, "room"],
    ["/workspace/new/large.txt", false, "room"],
  ]);
});

test("paths of thousands of folders are listed too", () => {
  const deep = "a/".repeat(2_000);
  const names = Array.from({ length: 2_000 }, (_, index) => `${deep}${index}`);
  const kept = diffOf(names.map((name) => added(name)));
  expect(kept.entries.every(({ inPatch }) => inPatch)).toBe(true);
  const ignored = diffOf(
    names.map((name) => added(name)),
    names,
  );
  expect(ignored.folded).toEqual([{ path: `/workspace/${deep.slice(0, -1)}`, count: 2_000, reason: "ignored" }]);
});

test("a patch without room is named, and later ones that fit are shown", () => {
  const shown = shortenDiff(diffOf([edited("a.txt", 2_000), edited("b.txt", 10), edited("c.txt", 9)]), 5_000);
  expect(shown.patch.match(/^diff --git a\/\S+/gm)).toEqual(["diff --git a/b.txt", "diff --git a/c.txt"]);
  expect(shown.entries.map(({ inPatch, leftOut }) => [inPatch, leftOut])).toEqual([
    [false, "room"],
    [true, undefined],
    [true, undefined],
  ]);
  expect(shown).toMatchObject({ patchTruncated: true, entriesTruncated: false });
  expect(diffText(shown)).toContain(
    "\nmodified a.txt (no room for its patch here: paths shows it, or output_path writes it)\n",
  );
});

test("text is shown before bytes, and one patch that is too much is begun", () => {
  const bytes = change("a.bin", null, {
    content: randomBytes(9_000),
  });
  expect(shortenDiff(diffOf([bytes, added("z.txt", 20)]), 5_000).patch).toMatch(/^diff --git a\/z\.txt/);
  const begun = shortenDiff(diffOf([edited("a.txt", 2_000)]), 5_000);
  expect(begun.patch).toMatch(/^diff --git a\/a\.txt.*\[… the rest of this patch has no room here …\]\n$/s);
  expect(begun).toMatchObject({ patchTruncated: true, entries: [{ inPatch: false, leftOut: "room" }] });
});

test("what is not in the patch is said where it is known, whatever the names", () => {
  const odd = Buffer.from([...Buffer.from('t\tab "q" '), 0xff]);
  const diff = diffOf([
    change("go", null, {}),
    edited("src/go.mod"),
    edited(odd),
    change("run.sh", { content: "x", mode: 0o644 }, { content: "x", mode: 0o755 }),
    change("secret", { content: "x", mode: 0o644 }, { content: "x", mode: 0o600 }),
    change("pipe", null, { type: "other" }),
    folder("empty"),
    folder("full"),
    added("full/file"),
  ]);
  const reasons = Object.fromEntries(diff.entries.map(({ path, leftOut, mode }) => [path, leftOut ?? mode ?? "in"]));
  expect(reasons).toEqual({
    "/workspace/go": "too_large",
    "/workspace/src/go.mod": "in",
    '"/workspace/t\\tab \\"q\\" \\377"': "in",
    "/workspace/run.sh": { old: "0644", new: "0755" },
    "/workspace/secret": "permissions",
    "/workspace/pipe": "special",
    "/workspace/empty": "directory",
    "/workspace/full": "in",
    "/workspace/full/file": "in",
  });
  expect(diff.patchTruncated).toBe(true);
  expect(diffText(diff).split("\n\n")[0]).toBe(
    [
      "9 changes: 5 added, 4 modified, 0 deleted",
      "modified run.sh, mode 0644 to 0755",
      "modified secret, mode 0644 to 0600 (of permissions a patch has only who may execute)",
      "added empty (a patch has files, not directories)",
      "added go (too large for the patch: export it)",
      "added pipe (a device, a socket or a named pipe, which a patch cannot have)",
    ].join("\n"),
  );
});

test("ignored files are counted by the highest ignored folder, and lone ones keep their names", () => {
  const names = ["out/a/1.o", "out/2.o", "src/x.pyc", "logs/1.log", "logs/2.log", "top.log", "top2.log"];
  const folders = ["out", "out/a"];
  const diff = diffOf(
    [...names.map((name) => added(name)), ...folders.map(folder), folder("logs")],
    [...names, ...folders],
  );
  expect(diff.folded).toEqual([
    { path: "/workspace/logs", count: 2, reason: "ignored" },
    { path: "/workspace/out", count: 2, reason: "ignored" },
    { path: "/workspace/src/x.pyc", count: 1, reason: "ignored" },
    { path: "/workspace", count: 2, reason: "ignored" },
  ]);
  expect(diff.ignoredCount).toBe(7);
});
