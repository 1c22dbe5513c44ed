import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OutputKeeper } from "../../../../src/workspaces/command/kept-output.ts";
import { type KeptOutput, KeptOutputs, type OutputPage } from "../../../../src/workspaces/command/kept-output-pages.ts";

/** What the records promise: this much of the beginning, and at least as much of the end */
const mib = 1024 * 1024;
const [keptHeadBytes, keptTailBytes] = [mib, mib];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-output-"));
});
afterEach(() => rm(dir, { recursive: true }));

/** Bytes of which each place is told apart from its neighbours. */
const numbered = (length: number) => Buffer.from(Array.from({ length }, (_, index) => 33 + ((index * 7919) % 90)));

async function keep(bytes: Buffer, chunkBytes: number): Promise<OutputKeeper> {
  const keeper = new OutputKeeper(dir, 1, "stdout");
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    await keeper.add(bytes.subarray(start, start + chunkBytes));
  }
  await keeper.commit();
  return keeper;
}

/** What is kept of a stream; `endedAt` is undefined while its command runs. */
async function read(endedAt: number | undefined, page?: OutputPage): Promise<KeptOutput> {
  return (await KeptOutputs.open(dir)).read(1, "stdout", endedAt, page);
}

/** All of it, page by page. */
async function readPages(endedAt: number, maxBytes: number): Promise<readonly string[]> {
  const pages: string[] = [];
  for (let offset: number | null = 0; offset !== null; ) {
    const { bytes, nextOffset }: KeptOutput = await read(endedAt, { offset, maxBytes });
    pages.push(bytes.toString());
    offset = nextOffset;
  }
  return pages;
}

test.each([
  ["nothing", 0, 1],
  ["a little", 10, 3],
  ["exactly the beginning", keptHeadBytes, 65_537],
  ["one byte more", keptHeadBytes + 1, 65_537],
  ["beginning and end", keptHeadBytes + keptTailBytes, 1_000_003],
  ["one chunk", keptHeadBytes + keptTailBytes, keptHeadBytes + keptTailBytes],
])("%s is kept whole", async (_what, length, chunkBytes) => {
  const bytes = numbered(length);
  const keeper = await keep(bytes, chunkBytes);
  expect(keeper.length).toBe(length);
  const kept = await read(length);
  expect(kept).toMatchObject({ isCut: false, totalBytes: length, nextOffset: null });
  expect(kept.bytes.equals(bytes)).toBe(true);
});

test.each([300_007, 20_000_000])(
  "a long stream keeps its beginning and its end (in chunks of %d)",
  async (chunkBytes) => {
    const bytes = numbered(8 * keptHeadBytes + 12_345);
    await keep(bytes, chunkBytes);
    const { bytes: kept, isCut } = await read(bytes.length);
    expect(isCut).toBe(true);
    const text = kept.toString();
    const mark = /\n\[… (\d+) bytes are not kept …\]\n/.exec(text);
    const [head = "", tail = ""] = text.split(mark?.[0] ?? "no mark");
    expect(head).toBe(bytes.subarray(0, keptHeadBytes).toString());
    expect(bytes.toString().endsWith(tail)).toBe(true);
    expect(tail.length).toBeGreaterThanOrEqual(keptTailBytes);
    expect(head.length + tail.length + Number(mark?.[1])).toBe(bytes.length);
  },
);

test("what is on disk is bounded, however long the stream", async () => {
  await keep(Buffer.alloc(12 * keptHeadBytes), 64 * 1024);
  const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
  expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(keptHeadBytes + 2 * keptTailBytes);
});

test("the cut goes round characters, so that text stays text", async () => {
  const bytes = Buffer.from("文".repeat(3 * keptHeadBytes));
  await keep(bytes, 99_991);
  const text = (await read(bytes.length)).bytes.toString("utf8");
  expect(text).not.toContain("\uFFFD");
  const mark = /\n\[… (\d+) bytes are not kept …\]\n/.exec(text);
  expect(Buffer.byteLength(text.replace(mark?.[0] ?? "", "")) + Number(mark?.[1])).toBe(bytes.length);
});

test.each([
  ["text", () => Buffer.from("ab文🙂".repeat(60_000)), 65_536],
  ["text that has lost its middle", () => Buffer.from("ab文🙂".repeat(1_000_000)), 1_000_000],
  ["bytes", () => Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 256)), 4_099],
])("pages of %s are together what is read at once", async (_what, make, maxBytes) => {
  const bytes = make();
  await keep(bytes, 99_991);
  const whole = await read(bytes.length);
  if (!whole.isCut) expect(whole.bytes.equals(bytes)).toBe(true);
  const pages: Buffer[] = [];
  const cuts: boolean[] = [];
  for (let offset: number | null = 0; offset !== null; ) {
    const page: KeptOutput = await read(bytes.length, { offset, maxBytes });
    pages.push(page.bytes);
    cuts.push(page.isCut);
    offset = page.nextOffset;
  }
  expect(Buffer.concat(pages).equals(whole.bytes)).toBe(true);
  expect(pages.length).toBeGreaterThan(2);
  expect(cuts.filter(Boolean)).toHaveLength(whole.isCut ? 1 : 0);
});

test("pages end with whole characters, and have one at least", async () => {
  await keep(Buffer.from("a文🙂b"), 2);
  expect(await readPages(9, 1)).toEqual(["a", "文", "🙂", "b"]);
  expect(await readPages(9, 5)).toEqual(["a文", "🙂b"]);
});

test("an offset inside of a character, of what is not kept, or behind the end", async () => {
  await keep(Buffer.from("a文b"), 100);
  expect(`${(await read(5, { offset: 2, maxBytes: 9 })).bytes}`).toBe("文b");
  expect(await read(5, { offset: 5, maxBytes: 9 })).toMatchObject({ bytes: Buffer.alloc(0), nextOffset: null });
  expect(await read(5, { offset: 99, maxBytes: 9 })).toMatchObject({ bytes: Buffer.alloc(0), nextOffset: null });
  const bytes = numbered(5 * mib);
  await keep(bytes, mib);
  const inTheGap = await read(bytes.length, { offset: 2 * mib, maxBytes: 5 });
  expect(inTheGap).toMatchObject({ isCut: true, nextOffset: 3 * mib });
  expect(`${inTheGap.bytes}`).toBe(`\n[… ${mib} bytes are not kept …]\n`);
});

test("a stream that goes on can be followed, and shows no half characters", async () => {
  const keeper = new OutputKeeper(dir, 1, "stdout");
  expect(await read(undefined)).toMatchObject({ totalBytes: 0, nextOffset: 0 });
  await keeper.add(Buffer.from("one 文").subarray(0, 6));
  expect(await read(undefined)).toMatchObject({ bytes: Buffer.from("one "), totalBytes: 6, nextOffset: 4 });
  await keeper.add(Buffer.from("文!").subarray(2));
  const next = await read(undefined, { offset: 4, maxBytes: 100 });
  expect(next).toMatchObject({ bytes: Buffer.from("文!"), totalBytes: 8, nextOffset: 8 });
  expect(await read(undefined, { offset: 8, maxBytes: 100 })).toMatchObject({ nextOffset: 8 });
  await keeper.commit();
  expect(await read(8, { offset: 8, maxBytes: 100 })).toMatchObject({ bytes: Buffer.alloc(0), nextOffset: null });
});

test("what is written while it is read is what was there, or what came later", async () => {
  const bytes = numbered(9 * mib);
  const writing = keep(bytes, 50_000);
  let isOver = false;
  void writing.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const { bytes: seen } = await read(undefined, { offset: 0, maxBytes: 20 * mib });
    for (const [index, piece] of seen
      .toString()
      .split(/\n\[… \d+ bytes are not kept …\]\n/)
      .entries()) {
      if (index === 0) expect(bytes.subarray(0, piece.length).toString()).toBe(piece);
      else expect(bytes.includes(piece)).toBe(true);
    }
  }
});

test("chunks that are added at once stay in their order", async () => {
  const bytes = numbered(3 * keptHeadBytes);
  const keeper = new OutputKeeper(dir, 1, "stdout");
  await Promise.all(
    [0, 1, 2].map((part) => keeper.add(bytes.subarray(part * keptHeadBytes, (part + 1) * keptHeadBytes))),
  );
  await keeper.commit();
  const { bytes: kept, isCut } = await read(bytes.length);
  expect(isCut).toBe(false);
  expect(kept.equals(bytes)).toBe(true);
});

test("streams and commands do not mix", async () => {
  for (const [sequence, stream] of [
    [1, "stdout"],
    [1, "stderr"],
    [12, "stdout"],
  ] as const) {
    const keeper = new OutputKeeper(dir, sequence, stream);
    await keeper.add(Buffer.from(`${sequence} ${stream}`));
    await keeper.commit();
  }
  const kept = await KeptOutputs.open(dir);
  expect((await kept.read(1, "stderr", 8)).bytes.toString()).toBe("1 stderr");
  expect((await kept.read(12, "stdout", 9)).bytes.toString()).toBe("12 stdout");
});

test("output of a command without a count of what it printed is what is there", async () => {
  // As the end is written that a lost supervisor leaves.
  await keep(Buffer.from("half a li"), 4);
  expect(await read(0)).toMatchObject({ isCut: false, totalBytes: 9, nextOffset: null });
  await keep(numbered(8 * keptHeadBytes), 300_007);
  expect(await read(0)).toMatchObject({ isCut: true, totalBytes: 8 * keptHeadBytes, nextOffset: null });
});

test("an end that was not kept is told as missing", async () => {
  await keep(Buffer.from("half a li"), 4);
  const { bytes, ...rest } = await read(20);
  expect(bytes.toString()).toBe("half a li\n[… 11 bytes are not kept …]\n");
  expect(rest).toEqual({ isCut: true, offset: 0, totalBytes: 20, nextOffset: null });
});

test("a history of which nothing is on disk has no output", async () => {
  const none = await KeptOutputs.open(join(dir, "gone"));
  expect(await none.read(1, "stdout", 0)).toMatchObject({ bytes: Buffer.alloc(0), isCut: false, totalBytes: 0 });
});

test("what cannot be kept holds nothing up, and the end tells of it", async () => {
  const keeper = new OutputKeeper(join(dir, "gone"), 1, "stdout");
  await keeper.add(Buffer.from("x"));
  await keeper.add(Buffer.from("yz"));
  expect(keeper.length).toBe(3);
  await expect(keeper.commit()).rejects.toThrow(/ENOENT/);
});
