import fc from "fast-check";
import { expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { type Frame, framesOf } from "../../../../src/guest/frames.ts";
import { decodeChanges, decodeTree } from "../../../../src/guest/tree/decode.ts";
import { encodeTree } from "../../../../src/guest/tree/encode.ts";
import { type GuestItem, treeFrame } from "../../../../src/guest/tree/messages.ts";

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
const frame = (type: number, payload: unknown = ""): Frame => ({
  type,
  payload: Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload)),
});
const entry = (value: object) => frame(treeFrame.entry, value);
const change = (value: object) => frame(treeFrame.change, value);
const end = frame(treeFrame.end);

async function decode(frames: readonly Frame[], readContent = true): Promise<string[]> {
  const seen: string[] = [];
  for await (const item of decodeTree(streamOf(frames))) {
    let content = "";
    if (readContent && item.entry.type === "file") {
      for await (const piece of item.content()) content += "hole" in piece ? `<${piece.hole}>` : piece.data.toString();
    }
    seen.push(`${item.entry.type} ${item.entry.path.toString("latin1")} ${content}`.trim());
  }
  return seen;
}

const pathBytes = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 })
  .map((names) => names.map((name) => Buffer.from(name.filter((byte) => byte !== 0 && byte !== 0x2f))))
  .filter((names) => names.every((name) => name.length > 0 && !/^\.{1,2}$/.test(name.toString("latin1"))))
  .map((names) => Buffer.from(names.map((name) => name.toString("latin1")).join("/"), "latin1"));

test("what a guest could not read is told at the end", async () => {
  const ends: unknown[] = [];
  for (const payload of ["", { entry_count: 0, skipped_count: 3 }, { entry_count: 0 }]) {
    for await (const _ of decodeTree(streamOf([frame(treeFrame.end, payload)]), (end) => ends.push(end)));
  }
  expect(ends).toEqual([{ skippedCount: 0 }, { skippedCount: 3 }, { skippedCount: 0 }]);
  const lie = decodeTree(streamOf([frame(treeFrame.end, { skipped_count: -1 })]));
  await expect(lie.next()).rejects.toMatchObject({ code: "internal" });
});

test("small files leave together, in buffers of a limited size", async () => {
  const file = (content: Buffer): GuestItem => ({
    entry: { path: Buffer.from("file"), type: "file", size: content.length },
    async *content() {
      yield { data: content };
    },
  });
  const small = Array.from({ length: 1_000 }, () => file(Buffer.alloc(500)));
  const sent = [...small, file(Buffer.alloc(3_000_000))];
  const lengths: number[] = [];
  const header = { makeParents: true, removeEmptyParents: false };
  for await (const { length } of encodeTree(header, streamOf(sent))) lengths.push(length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  expect(total).toBeGreaterThan(3_500_000);
  expect(lengths.length).toBeLessThan(30);
  expect(Math.max(...lengths)).toBeLessThan(512 * 1024);
});

test("a tree that is encoded is decoded as it was, names of any bytes included", async () => {
  const items = fc.array(
    fc.record({ path: pathBytes, content: fc.uint8Array({ maxLength: 50 }), hole: fc.integer({ min: 1 }) }),
  );
  await fc.assert(
    fc.asyncProperty(items, async (files) => {
      const sent = files.map(({ path, content, hole }): GuestItem => {
        const data = Buffer.from(content);
        return {
          entry: { path, type: "file", mode: 0o640, size: data.length + hole, mtimeNs: -5n },
          async *content() {
            yield { data };
            yield { hole };
          },
        };
      });
      const header = { makeParents: true, removeEmptyParents: false };
      const frames: Frame[] = [];
      for await (const one of framesOf(encodeTree(header, streamOf(sent)))) frames.push(one);
      expect(frames.shift()?.type).toBe(treeFrame.header);
      let index = 0;
      for await (const { entry: got, content } of decodeTree(streamOf(frames))) {
        const file = files[index++];
        expect(got).toMatchObject({ type: "file", path: file?.path, mode: 0o640, mtimeNs: -5n });
        const pieces: Buffer[] = [];
        let holes = 0;
        for await (const piece of content()) {
          if ("hole" in piece) holes += piece.hole;
          else pieces.push(piece.data);
        }
        expect([Buffer.concat(pieces), holes]).toEqual([Buffer.from(file?.content ?? []), file?.hole]);
      }
      expect(index).toBe(files.length);
    }),
  );
});

test("content that is not read is passed over", async () => {
  const file = [entry({ path: "a", type: "file" }), frame(treeFrame.content, "x"), frame(treeFrame.contentEnd)];
  const frames = [...file, entry({ path: "b", type: "symlink", target: "/etc" }), end];
  expect(await decode(frames, false)).toEqual(["file a", "symlink b"]);
  expect(await decode(frames)).toEqual(["file a x", "symlink b"]);
});

test.each(["/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", "/", ".", "./a", "a/.", "a\0b", "a/.."])(
  "a guest that names the path %j is not believed",
  async (path) => {
    const pathBase64 = Buffer.from(path).toString("base64");
    for (const named of [{ path }, { path_base64: pathBase64 }]) {
      await expect(decode([entry({ ...named, type: "directory" }), end])).rejects.toThrow(/impossible path/);
      const frames = [change({ ...named, status: "added", content_changed: false }), end];
      await expect(changesOf(frames)).rejects.toThrow(/impossible path/);
    }
  },
);

test.each<[string, Frame[]]>([
  ["ends before its end", [entry({ path: "a", type: "directory" })]],
  ["ends in the middle of a file", [entry({ path: "a", type: "file" }), frame(treeFrame.content, "x")]],
  ["goes on after its end", [end, end]],
  ["begins with content", [frame(treeFrame.content, "x"), end]],
  ["has a type of its own", [entry({ path: "a", type: "blockdev" }), end]],
  ["is not JSON", [frame(treeFrame.entry, "{"), end]],
  ["has a mode that is none", [entry({ path: "a", type: "file", mode: 0o10000 }), end]],
  ["has a negative size", [entry({ path: "a", type: "file", size: -1 }), end]],
  ["has no whole number of bytes", [entry({ path: "a", type: "file", size: 0.5 }), end]],
  [
    "has a hole of an impossible length",
    [entry({ path: "a", type: "file" }), frame(treeFrame.hole, Buffer.alloc(8, 0xff)), end],
  ],
  ["has a hole without a length", [entry({ path: "a", type: "file" }), frame(treeFrame.hole, "1"), end]],
])("a tree that %s is refused", async (_what, frames) => {
  await expect(decode(frames)).rejects.toBeInstanceOf(PyroError);
});

test("a change carries the content of both sides", async () => {
  const side = { type: "file", mode: 0o644, size: 1 };
  const [only] = await changesOf([
    change({ path: "a", status: "modified", old: side, new: side, content_changed: true, content: true }),
    ...[frame(treeFrame.oldContent, "o"), frame(treeFrame.oldContentEnd)],
    ...[
      frame(treeFrame.content, "n"),
      frame(treeFrame.hole, Buffer.from([0, 0, 0, 0, 0, 0, 0, 2])),
      frame(treeFrame.contentEnd),
    ],
    end,
  ]);
  expect(only).toMatchObject({ oldContent: Buffer.from("o"), newContent: Buffer.from("n\0\0") });
});

test("a guest cannot make the host hold more than it asked for", async () => {
  const side = { type: "file", mode: 0o644, size: 1 };
  const hole = Buffer.alloc(8);
  hole.writeBigUInt64BE(2n ** 40n);
  const frames = [
    change({ path: "a", status: "added", old: null, new: side, content_changed: true, content: true }),
    frame(treeFrame.hole, hole),
  ];
  await expect(changesOf(frames)).rejects.toThrow(/more content than it was asked for/);
});

const json = fc.oneof(
  fc.record(
    {
      path: fc.constantFrom("a", "..", "/x", "a/b", "", "\0"),
      path_base64: fc.constantFrom("YQ==", "Li4=", "!", ""),
      type: fc.constantFrom("file", "directory", "symlink", "hard_link", "other", "missing", "delete", "x"),
      status: fc.constantFrom("added", "modified", "deleted", "type_changed", "x"),
      mode: fc.oneof(fc.integer(), fc.string()),
      size: fc.oneof(fc.integer(), fc.double()),
      mtime_ns: fc.oneof(fc.string(), fc.bigInt().map(String)),
      target: fc.string(),
      target_base64: fc.string(),
      sha256: fc.string(),
      old: fc.oneof(
        fc.constant(null),
        fc.record({ type: fc.constantFrom("file", "symlink", "x"), mode: fc.nat(5000) }),
      ),
      new: fc.oneof(fc.constant(null), fc.record({ type: fc.constantFrom("file", "directory"), mode: fc.nat(5000) })),
      content_changed: fc.boolean(),
      content: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
);
const hostileFrame = fc.record({
  type: fc.oneof(fc.constantFrom(...Object.values(treeFrame)), fc.integer({ min: 0, max: 255 })),
  payload: fc.oneof(
    json.map((value) => Buffer.from(JSON.stringify(value))),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  ),
});

test("whatever a guest sends, it is a sound path or an error of ours", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(hostileFrame, { maxLength: 12 }), fc.boolean(), async (frames, reads) => {
      const expectSound = (path: Buffer) => {
        const names = path.toString("latin1").split("/");
        expect(path.includes(0) || names.includes("..") || (names.length > 1 && names.includes(""))).toBe(false);
      };
      const decodeEntries = async () => {
        for await (const { entry: got, content } of decodeTree(streamOf(frames))) {
          expectSound(got.path);
          if (reads) for await (const _ of content());
        }
      };
      const decodeAll = async () => {
        for await (const { path } of decodeChanges(streamOf(frames), 1000)) expectSound(path);
      };
      for (const work of [decodeEntries, decodeAll]) {
        await work().catch((error: unknown) => expect(error).toBeInstanceOf(PyroError));
      }
    }),
    { numRuns: 500 },
  );
});

async function changesOf(frames: readonly Frame[]): Promise<object[]> {
  const changes: object[] = [];
  for await (const one of decodeChanges(streamOf(frames), 1000)) changes.push(one);
  return changes;
}
