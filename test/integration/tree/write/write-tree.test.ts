import { lstat, mkdir, readdir, readFile, readlink, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ContentPiece, TreeItem } from "../../../../src/tree/entry.ts";
import { directorySource } from "../../../../src/tree/scan/directory-source.ts";
import { scanDirectory } from "../../../../src/tree/scan/scan.ts";
import { writeTree } from "../../../../src/tree/write/write-tree.ts";
import { emptyFolder, evaluateAsOrdinaryUser, shell } from "../folder.ts";

const limits = { maxEntries: 1000, maxBytes: 1 << 30 };
const root = item({ path: "", type: "directory", mode: 0o755 });

test("a tree comes out as it went in", async () => {
  const dir = await emptyFolder();
  await shell(
    `cd "$1"; mkdir -p in/sub/empty in/locked; echo hi > in/sub/file; ln in/sub/file in/zhard; ln -s /etc in/link
     echo x > "in/$(printf 'caf\\351')"; echo y > in/locked/file; head -c 3000000 /dev/urandom > in/large
     truncate --size=30M in/sparse; printf end >> in/sparse
     chmod 640 in/sub/file; chmod 555 in/locked; touch --date='@1700000000.5' in/sub/file in/locked in/sub in`,
    dir,
  );
  const target = join(dir, "out here");
  const scan = await scanDirectory(join(dir, "in"));
  const written = await writeTree(directorySource(scan), target, { limits });
  expect(written).toEqual({ type: "directory", entryCount: scan.entryCount, contentBytes: scan.contentBytes });
  const after = await scanDirectory(target);
  const facts = ({ path, type, mode, size, mtimeNs, target: to }: TreeItem | (typeof after.entries)[number]) =>
    [path.toString("latin1"), type, mode, size, Number(mtimeNs) / 1e9, to?.toString()] as const;
  expect(after.entries.map(facts).map(([path, ...rest]) => [path, ...rest.with(3, 0)])).toEqual(
    scan.entries.map(facts).map(([path, ...rest]) => [path, ...rest.with(3, 0)]),
  );
  expect((await stat(join(target, "sub/file"))).mtimeMs).toBe(1700000000500);
  expect((await stat(join(target, "locked"))).mtimeMs).toBe(1700000000500);
  await shell('diff --recursive --no-dereference "$1/in" "$2"', dir, target);
  expect((await stat(join(target, "sparse"))).blocks * 512).toBeLessThan(1 << 20);
  expect(await readdir(dir)).toEqual(["in", "out here"]);
});

test.each([
  [
    "in a pseudo file system",
    "/proc/new",
    "invalid_argument",
    /^cannot write into '\/proc': it is in a proc file system/,
  ],
  [
    "below a device",
    "/dev/zero/new",
    "failed_precondition",
    /^cannot write '\/dev\/zero\/new': '\/dev\/zero' is not a/,
  ],
  ["with a name of 300 characters", `/tmp/${"x".repeat(300)}`, "failed_precondition", /its paths would be too long$/],
])("a place %s is refused", async (_what, target, code, message) => {
  const items = (async function* () {
    yield root;
  })();
  await expect(writeTree(items, target, { limits })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

test("a single file, and a link that leads nowhere", async () => {
  const dir = await emptyFolder();
  const file = item({ path: "", type: "file", mode: 0o6755, content: "hi" });
  expect(await writeTree(sent(file), join(dir, "file"), { limits })).toMatchObject({ type: "file", contentBytes: 2 });
  expect(await readFile(join(dir, "file"), "utf8")).toBe("hi");
  expect((await stat(join(dir, "file"))).mode & 0o7777).toBe(0o755);
  await writeTree(sent(item({ path: "", type: "symlink", target: "/no/where" })), join(dir, "link"), { limits });
  expect(await readlink(join(dir, "link"))).toBe("/no/where");
  expect((await readdir(dir)).toSorted()).toEqual(["file", "link"]);
});

const link = item({ path: "link", type: "symlink", target: "/tmp" });
const file = item({ path: "file", type: "file", content: "x" });

test.each<[string, readonly TreeItem[]]>([
  ["a path that leads out", [root, item({ path: "../out", type: "file" })]],
  ["an absolute path", [root, item({ path: "/tmp/pyro-out", type: "file" })]],
  ["a path through a link", [root, link, item({ path: "link/pyro-out", type: "file" })]],
  ["a path through a file", [root, file, item({ path: "file/pyro-out", type: "file" })]],
  ["a folder in the place of a link", [root, link, item({ path: "link", type: "directory" })]],
  ["a name twice", [root, file, file]],
  ["a root twice", [root, root]],
  ["no root", [file]],
  ["nothing", []],
  ["a parent that was not sent", [root, item({ path: "a/b", type: "file" })]],
  ["a hard link out", [root, item({ path: "h", type: "hard_link", target: "../../etc/passwd" })]],
  ["a hard link to a link", [root, link, item({ path: "h", type: "hard_link", target: "link" })]],
  ["an unknown type", [root, item({ path: "d", type: "device" as "file" })]],
  ["an empty link", [root, item({ path: "l", type: "symlink", target: "" })]],
  ["more content than announced", [root, item({ path: "f", type: "file", size: 3, content: "four" })]],
  ["less content than announced", [root, item({ path: "f", type: "file", size: 5, content: "four" })]],
  ["more than announced of a large file", [root, item({ path: "f", type: "file", size: 1 << 20, content: endless })]],
  ["a hole that goes back", [root, item({ path: "f", type: "file", size: 4, content: [{ hole: -4 }, { hole: 8 }] })]],
  ["a hole beyond the end", [root, item({ path: "f", type: "file", size: 4, content: [{ hole: 2 ** 40 }] })]],
  ["a size that is none", [root, item({ path: "f", type: "file", size: Number.NaN })]],
])("a guest that sends %s leaves nothing", async (_what, items) => {
  const dir = await emptyFolder();
  const writing = writeTree(sent(...items), join(dir, "out"), { limits });
  await expect(writing).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining(`cannot write '${dir}/out': what was sent is not a tree: `),
  });
  expect(await readdir(dir)).toEqual([]);
});

test.each<[string, () => AsyncIterable<TreeItem>]>([
  ["endless entries", endlessEntries],
  ["too large a file", () => sent(item({ path: "", type: "file", size: 2 ** 40, content: [{ hole: 2 ** 40 }] }))],
])("a guest that sends %s is stopped, and leaves nothing", async (_what, items) => {
  const dir = await emptyFolder();
  await expect(writeTree(items(), join(dir, "out"), { limits })).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(await readdir(dir)).toEqual([]);
});

test("nothing is replaced, also not what appears meanwhile", async () => {
  const dir = await emptyFolder();
  for (const [name, type] of [
    ["a", "directory"],
    ["b", "file"],
    ["c", "symlink"],
  ] as const) {
    const target = join(dir, name);
    const meanwhile = async function* () {
      yield item({ path: "", type, content: "", target: "x" });
      await mkdir(target);
    };
    const failure = { code: "already_exists", hint: "Choose another path." };
    await expect(writeTree(meanwhile(), target, { limits })).rejects.toMatchObject(failure);
    await expect(writeTree(sent(root), target, { limits })).rejects.toMatchObject(failure);
  }
  await symlink("/no/where", join(dir, "dangling"));
  await expect(writeTree(sent(root), join(dir, "dangling"), { limits })).rejects.toMatchObject({
    code: "already_exists",
  });
  expect((await readdir(dir)).toSorted()).toEqual(["a", "b", "c", "dangling"]);
  expect((await lstat(join(dir, "b"))).isDirectory()).toBe(true);
});

test("a target that cannot be is refused", async () => {
  const dir = await emptyFolder();
  await writeFile(join(dir, "file"), "");
  const writing = (path: string) => writeTree(sent(root), path, { limits });
  await expect(writing(join(dir, "gone", "out"))).rejects.toMatchObject({ code: "not_found" });
  await expect(writing(join(dir, "file", "out"))).rejects.toMatchObject({ code: "failed_precondition" });
  await expect(writing("/")).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(writing(`${dir}/..`)).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(writing(join(dir, "n".repeat(300)))).rejects.toMatchObject({ code: "failed_precondition" });
});

test("a name of 255 bytes is a target", async () => {
  const dir = await emptyFolder();
  const name = "ü".repeat(127);
  await writeTree(sent(root), join(dir, name), { limits });
  expect(await readdir(dir)).toEqual([name]);
});

test("cancelling leaves nothing", async () => {
  const dir = await emptyFolder();
  const signal = AbortSignal.timeout(100);
  const writing = writeTree(endlessEntries(), join(dir, "out"), { limits: { ...limits, maxEntries: 1e9 }, signal });
  await expect(writing).rejects.toMatchObject({ code: "cancelled" });
  expect(await readdir(dir)).toEqual([]);
});

test("a target whose directory is moved meanwhile is refused, and nothing is left in either place", async () => {
  const dir = await emptyFolder();
  await mkdir(join(dir, "a"));
  const items = (async function* () {
    yield root;
    yield item({ path: "file", type: "file", content: "x" });
    await rename(join(dir, "a"), join(dir, "b"));
    await mkdir(join(dir, "a"));
  })();
  await expect(writeTree(items, join(dir, "a/out"), { limits })).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("its directory was moved or replaced meanwhile"),
  });
  expect([await readdir(join(dir, "a")), await readdir(join(dir, "b"))]).toEqual([[], []]);
});

test("an ordinary user's folders without write permission are written and removed", async () => {
  const dir = await emptyFolder();
  const failure = await evaluateAsOrdinaryUser(
    `const { writeTree } = await import("./src/tree/write/write-tree.ts");
     const { mkdir } = await import("node:fs/promises");
     const entry = (path, type, mode) => ({ path: Buffer.from(path), type, mode, size: 0, mtimeNs: 0n, async *content() {} });
     const items = async function* (target) {
       yield entry("", "directory", 0o555); yield entry("in", "directory", 0); yield entry("in/file", "file", 0);
       if (target) await mkdir(target);
     };
     const limits = { maxEntries: 9, maxBytes: 9 };
     await writeTree(items(), dir + "/out", { limits });
     await writeTree(items(dir + "/taken"), dir + "/taken", { limits });`,
    { dir },
  );
  expect(failure).toMatchObject({ error: { code: "already_exists" } });
  expect((await readdir(dir)).toSorted()).toEqual(["out", "taken"]);
  expect((await stat(join(dir, "out"))).mode & 0o777).toBe(0o555);
});

interface ItemShape {
  readonly path: string;
  readonly type: TreeItem["type"];
  readonly mode?: number;
  readonly size?: number;
  readonly target?: string;
  readonly content?: string | readonly ContentPiece[] | (() => AsyncIterable<ContentPiece>);
}

function item({ path, type, mode = 0o644, size, target, content = "" }: ItemShape): TreeItem {
  const pieces = typeof content === "string" ? [{ data: Buffer.from(content) }] : content;
  return {
    path: Buffer.from(path),
    type,
    mode,
    mtimeNs: 1_700_000_000_000_000_000n,
    size: size ?? (typeof content === "string" ? content.length : 0),
    ...(target === undefined ? {} : { target: Buffer.from(target) }),
    content: typeof pieces === "function" ? pieces : () => sent(...pieces),
  };
}

async function* sent<T>(...values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

async function* endless(): AsyncGenerator<ContentPiece> {
  for (;;) yield { data: Buffer.alloc(65536, 1) };
}

async function* endlessEntries(): AsyncGenerator<TreeItem> {
  yield root;
  for (let index = 0; ; index += 1) yield item({ path: `d${index}`, type: "directory" });
}
