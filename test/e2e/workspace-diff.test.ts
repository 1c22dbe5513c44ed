import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { displayPath } from "../../src/tree/name.ts";
import { makeRepository } from "../helpers/git-repository.ts";
import { compareTrees, contentOfTree, differences, onHost } from "../helpers/host-tree.ts";
import { makeEdits, makeTree } from "../helpers/random-edits.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const editCount = 100;

describeWithVm("a diff after a hundred random edits", () => {
  let bench: Workbench;
  let id: string;
  let seedDir: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    seedDir = bench.hostPath("a");
    mkdirSync(seedDir);
    onHost(seedDir, makeTree(1));
    id = await bench.create({ seedPath: seedDir });
  });
  afterAll(() => bench[Symbol.asyncDispose]());
  beforeEach(async () => {
    await bench.output(["reset", id]);
    expect(await bench.json(["diff", id])).toMatchObject({ changed: false, patch: "" });
  });

  test.each([1, 2])("says of every file what git says, and makes the same tree of the seed (seed %d)", async (seed) => {
    const edits = makeEdits(seed, editCount);
    const edited = bench.hostPath(`edited-${seed}`);
    onHost("/", 'cp -a "$1" "$2"', seedDir, edited);
    onHost(edited, edits);
    await bench.sh(id, edits);

    const exported = bench.hostPath(`exported-${seed}`);
    await bench.output(["export", id, ".", "--output", exported]);
    expect(await compareTrees(exported, edited), `edits of seed ${seed}`).toEqual([]);

    const diff: Json = await bench.json(["diff", id]);
    expect(diff).toMatchObject({ patch_truncated: false, entries_truncated: false, ignored_count: 0 });
    const length = (part: string) => Buffer.byteLength(part);
    expect(diff.entries.reduce((sum: number, entry: Json) => sum + (entry.patch_bytes ?? 0), 0)).toBe(
      length(diff.patch),
    );
    const lines = diff.entries.flatMap((entry: Json) => asGitSays(entry, seedDir));
    expect(lines.length).toBeGreaterThan(20);
    const fromGit = gitDiff(seedDir, exported);
    expect(differences(lines.toSorted(), fromGit.toSorted()), `edits of seed ${seed}`).toEqual([]);

    const fresh = bench.hostPath(`fresh-${seed}`);
    onHost("/", 'cp -a "$1" "$2"', seedDir, fresh);
    execFileSync("git", ["apply", "--whitespace=nowarn"], {
      cwd: fresh,
      input: diff.patch,
      stdio: ["pipe", "ignore", "pipe"],
    });
    expect(differences(await contentOfTree(fresh), await contentOfTree(exported)), `edits of seed ${seed}`).toEqual([]);

    await bench.output(["reset", id]);
    const applied: Json = JSON.parse(
      (await bench.output(["patch", "apply", id, "--patch-file", "-", "--json"], { stdin: diff.patch })).toString(),
    );
    expect(applied.adjusted).toEqual([]);
    const again = bench.hostPath(`again-${seed}`);
    await bench.output(["export", id, ".", "--output", again]);
    expect(differences(await contentOfTree(again), await contentOfTree(exported)), `edits of seed ${seed}`).toEqual([]);
  });

  test("of some paths is what the whole one says of them", async () => {
    await bench.sh(id, "mkdir -p one/sub one-more; for f in one/a one/sub/b one-more/c; do echo x > $f; done; ls -d *");
    const whole: Json = await bench.json(["diff", id]);
    const of = async (...paths: string[]): Promise<Json> =>
      bench.json(["diff", id, ...paths.flatMap((path) => ["--path", path])]);
    const some = await of("one/sub", "/workspace/one-more/c");
    expect(some.entries.map(({ path }: Json) => path)).toEqual([
      ...["/workspace/one-more/c", "/workspace/one/sub", "/workspace/one/sub/b"],
    ]);
    const file = bench.hostPath("some.patch");
    const written: Json = await bench.json(["diff", id, "--path", "one/sub", "--path", "one-more/c", "--output", file]);
    expect(written).toEqual({ ...some, output_path: file });
    expect(readFileSync(file, "utf8")).toBe(some.patch);
    expect(await bench.cli.refusal("workspace.diff", { workspaceId: id, outputPath: file })).toMatchObject({
      code: "already_exists",
    });
    expect(some.entries).toEqual(
      whole.entries.filter(({ path }: Json) => some.entries.some((e: Json) => e.path === path)),
    );
    expect(some.summary).toMatchObject({ total: 3, added: 3, modified: 0 });
    expect(some.patch.match(/^diff --git .*$/gm)).toEqual([
      ...["diff --git a/one-more/c b/one-more/c", "diff --git a/one/sub/b b/one/sub/b"],
    ]);
    expect(await of("one", "one/sub")).toMatchObject({ summary: { total: 4 } });
    expect(await of(".")).toEqual(whole);
    expect(await of("absent")).toMatchObject({ changed: false, entries: [], patch: "", summary: { total: 0 } });
    expect(await bench.cli.refusal("workspace.diff", { workspaceId: id, paths: ["../etc"] })).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("it is not under /workspace"),
    });
  });

  test("of a checkout counts what that ignores, and what is in .git, by directory", async () => {
    const checkout = bench.hostPath("checkout");
    makeRepository(checkout, "echo dist/ > .gitignore; echo one > file; git add -A; git commit -qm one");
    const own = await bench.create({ seedPath: checkout });
    await bench.sh(own, "mkdir dist; echo x > dist/a; echo x > dist/b; echo two > file; git add file");
    const diff: Json = await bench.json(["diff", own]);
    expect(diff.folded).toEqual([
      { path: "/workspace/.git", count: expect.any(Number), reason: "git" },
      { path: "/workspace/dist", count: 2, reason: "ignored" },
    ]);
    expect(diff).toMatchObject({ ignored_count: 2 });
    expect(diff.entries[0]).toMatchObject({ path: "/workspace/file", in_patch: true });
    expect(diff.patch.match(/^diff --git .*$/gm)).toEqual(["diff --git a/file b/file"]);
    await bench.output(["delete", own]);
  });

  test("of one edit there is what `git diff` prints", async () => {
    await bench.sh(id, "seq 9 > link-free.txt");
    expect(await bench.output(["diff", id])).toBe(
      [
        ...["diff --git a/link-free.txt b/link-free.txt", "new file mode 100644", "index 0000000..0719398"],
        ...[
          "--- /dev/null",
          "+++ b/link-free.txt",
          "@@ -0,0 +1,9 @@",
          ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `+${n}`),
        ],
        "",
      ].join("\n"),
    );
  });
});

/**
 * A diff's entry as lines of `git diff --name-status`, which knows no directories and of a mode
 * only who may execute.
 */
function asGitSays(entry: Json, seedDir: string): string[] {
  const { path, status, artifact_type: type, in_patch: isInPatch } = entry;
  const letter = { added: "A", deleted: "D", modified: "M", type_changed: "T" }[status as "added"];
  if (status === "type_changed") {
    const before = lstatSync(join(seedDir, path.replace("/workspace/", ""))).isDirectory();
    if (before) return type === "directory" ? [] : [`A ${path}`];
    return [type === "directory" ? `D ${path}` : `T ${path}`];
  }
  if (type === "directory" || type === "other") return [];
  // A change of bits that git does not keep is in no patch.
  if (!isInPatch) return [];
  return [`${letter} ${path}`];
}

function gitDiff(before: string, after: string): string[] {
  const words = ["diff", "--no-index", "--no-renames", "--name-status", "-z", before, after];
  let output: Buffer = Buffer.alloc(0);
  try {
    execFileSync("git", words, { maxBuffer: 2 ** 26 });
  } catch (error) {
    // It ends with 1 when there are differences.
    output = (error as { stdout: Buffer }).stdout;
  }
  const fields = output.toString("latin1").split("\0").slice(0, -1);
  const lines: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const full = Buffer.from(fields[index + 1] ?? "", "latin1");
    const root = [before, after].find((dir) => full.subarray(0, dir.length + 1).equals(Buffer.from(`${dir}/`))) ?? "";
    lines.push(
      `${fields[index]} ${displayPath(Buffer.concat([Buffer.from("/workspace"), full.subarray(root.length)]))}`,
    );
  }
  return lines;
}
