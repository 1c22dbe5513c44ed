import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeFrame, framesOf } from "../../../../src/guest/frames.ts";
import { decodeTree } from "../../../../src/guest/tree/decode.ts";
import { encodeTree } from "../../../../src/guest/tree/encode.ts";
import { type GuestEntry, type GuestItem, treeFrame } from "../../../../src/guest/tree/messages.ts";
import type { TreeItem } from "../../../../src/tree/entry.ts";
import { writeTree } from "../../../../src/tree/write/write-tree.ts";
import { emptyFolder, evaluateInNamespace } from "../folder.ts";

const limits = { maxEntries: 100_000, maxBytes: 1 << 30 };
const fileCount = 3_000;
const largeBytes = 5_000_000;
const mtimeNs = 1_700_000_000_000_000_000n;
/** Pieces of the stream, which end inside frames */
const pieceBytes = 64 * 1024;

test("thousands of files in one stream are written as they were sent", async () => {
  const dir = await emptyFolder();
  const written = await writeTree(decoded(piecesOf(manyItems())), join(dir, "out"), { limits });
  expect(written).toMatchObject({ type: "directory", entryCount: 1 + 30 + fileCount });
  for (const folder of ["d00", "d17", "d29"]) {
    const at = join(dir, "out", folder);
    expect((await readdir(at)).length).toBe(100);
    expect(await stat(at)).toMatchObject({ mode: 0o40555, mtimeMs: 1_700_000_000_000 });
    expect(await readFile(join(at, "f01"), "utf8")).toBe(`content of ${folder}/f01`);
    expect((await stat(join(at, "f10"))).size).toBe(0);
    const [original, other] = [await stat(join(at, "f12")), await stat(join(at, "f13"))];
    expect(other).toMatchObject({ ino: original.ino, nlink: 2, size: original.size });
  }
  const large = await readFile(join(dir, "out", "d17", "f50"));
  expect(large.equals(Buffer.alloc(largeBytes, "large"))).toBe(true);
  expect(await readdir(dir)).toEqual(["out"]);
});

const json = (entry: object) => encodeFrame(treeFrame.entry, Buffer.from(JSON.stringify(entry)));
const file = { type: "file", mode: 0o644, mtime_ns: "0" };
const contentEnd = encodeFrame(treeFrame.contentEnd, Buffer.alloc(0));

test.each<[string, readonly Buffer[], string]>([
  ["a path that leads out", [json({ ...file, path: "../out", size: 0 }), contentEnd], "internal"],
  ["a name twice", [json({ ...file, path: "d00/f01", size: 0 }), contentEnd], "internal"],
  ["a link to no file", [json({ path: "x", type: "hard_link", target: "d00/none" })], "internal"],
  ["less than it announced", [json({ ...file, path: "x", size: 5 }), contentEnd], "internal"],
  ["more than it announced", [json({ ...file, path: "x", size: 0 }), content("more"), contentEnd], "internal"],
  ["content without a file", [content("more")], "internal"],
  ["an end inside a frame", [json({ ...file, path: "x", size: 0 }).subarray(0, 20)], "unavailable"],
  ["too early an end", [], "unavailable"],
])("a guest that sends %s after hundreds of files leaves nothing", async (_what, lie, code) => {
  const dir = await emptyFolder();
  const lying = async function* () {
    for await (const piece of piecesOf(manyItems(300), { isWhole: false })) yield piece;
    yield* lie;
  };
  const writing = writeTree(decoded(lying()), join(dir, "out"), { limits });
  await expect(writing).rejects.toMatchObject({ code });
  expect(await readdir(dir)).toEqual([]);
});

test("cancelling in the middle of thousands of files leaves nothing", async () => {
  const dir = await emptyFolder();
  const ender = new AbortController();
  let pieceCount = 0;
  const cancelled = async function* () {
    for await (const piece of piecesOf(manyItems())) {
      if (++pieceCount === 3) ender.abort();
      yield piece;
    }
  };
  const options = { limits, signal: ender.signal };
  const writing = writeTree(decoded(cancelled()), join(dir, "out"), options);
  await expect(writing).rejects.toMatchObject({ code: "cancelled" });
  expect(pieceCount).toBeLessThan(10);
  expect(await readdir(dir)).toEqual([]);
});

test("a disk that becomes full among thousands of files is an error, and nothing is left", async () => {
  const dir = await emptyFolder("pyro trees-");
  const outcome = await evaluateInNamespace(
    'mkdir "$1/small"; mount -t tmpfs -o size=3m tmpfs "$1/small"',
    dir,
    `const { writeTree } = await import(module);
     const { readdirSync } = await import("node:fs");
     const items = async function* () {
       const base = { mode: 0o755, mtimeNs: 0n, size: 0, content: async function* () {} };
       yield { ...base, path: Buffer.alloc(0), type: "directory" };
       for (let n = 0; n < ${fileCount}; n++) {
         const data = Buffer.alloc(2_000, 1);
         yield { ...base, path: Buffer.from("f" + n), type: "file", size: 2_000, content: async function* () { yield { data }; } };
       }
     };
     const limits = ${JSON.stringify(limits)};
     const failure = await writeTree(items(), dir + "/small/out", { limits }).catch((error) => error.toJSON());
     return { failure, left: readdirSync(dir + "/small") };`,
    { dir, module: new URL("../../../../src/tree/write/write-tree.ts", import.meta.url).pathname },
  );
  expect(outcome).toMatchObject({
    failure: { code: "resource_exhausted", message: expect.stringContaining("the disk is full") },
    left: [],
  });
});

/** Folders without write permission, with small, empty and linked files, and a large one. */
async function* manyItems(count = fileCount): AsyncGenerator<GuestItem> {
  yield item({ path: "", type: "directory", mode: 0o755 });
  for (let folder = 0; folder < count / 100; folder++) {
    const at = `d${String(folder).padStart(2, "0")}`;
    yield item({ path: at, type: "directory", mode: 0o555 });
    for (let index = 0; index < 100; index++) {
      const path = `${at}/f${String(index).padStart(2, "0")}`;
      if (index % 20 === 13) yield item({ path, type: "hard_link", target: `${at}/f${index - 1}` });
      else if (folder === 17 && index === 50) yield item({ path, type: "file" }, Buffer.alloc(largeBytes, "large"));
      else yield item({ path, type: "file" }, Buffer.from(index % 10 === 0 ? "" : `content of ${path}`));
    }
  }
}

function item(
  { path, type, mode = 0o644, target }: { path: string; type: GuestEntry["type"]; mode?: number; target?: string },
  data = Buffer.alloc(0),
): GuestItem {
  const link = target === undefined ? {} : { target: Buffer.from(target) };
  return {
    entry: { path: Buffer.from(path), type, mode, mtimeNs, size: data.length, ...link },
    async *content() {
      if (data.length > 0) yield { data };
    },
  };
}

function content(text: string): Buffer {
  return encodeFrame(treeFrame.content, Buffer.from(text));
}

/** What a guest sends for some items, in pieces. */
async function* piecesOf(items: AsyncIterable<GuestItem>, { isWhole = true } = {}): AsyncGenerator<Buffer> {
  const frames: Buffer[] = [];
  const sent = encodeTree({ makeParents: true, removeEmptyParents: false }, items);
  for await (const { bytes } of framesOf(sent)) frames.push(bytes);
  // The header is of a tree that the host sends. The last frame is the end.
  const bytes = Buffer.concat(frames.slice(1, isWhole ? undefined : -1));
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

async function* decoded(pieces: AsyncIterable<Buffer>): AsyncGenerator<TreeItem> {
  for await (const { entry, content } of decodeTree(framesOf(pieces))) {
    const { mode = 0, size = 0, mtimeNs = 0n } = entry;
    yield { ...entry, type: entry.type as TreeItem["type"], mode, size, mtimeNs, content };
  }
}
