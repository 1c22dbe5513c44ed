import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OutputKeeper, readOutput, wholeCharacters } from "../../../src/workspaces/kept-output.ts";

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
  await keeper.close();
  return keeper;
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
  const kept = await readOutput(dir, 1, "stdout", length);
  expect(kept.isCut).toBe(false);
  expect(kept.bytes.equals(bytes)).toBe(true);
});

test("a long stream keeps its beginning and its end, and says how much is missing", async () => {
  const bytes = numbered(8 * keptHeadBytes + 12_345);
  await keep(bytes, 300_007);
  const { bytes: kept, isCut } = await readOutput(dir, 1, "stdout", bytes.length);
  expect(isCut).toBe(true);
  const text = kept.toString();
  const mark = /\n\[… (\d+) bytes are not kept …\]\n/.exec(text);
  const [head = "", tail = ""] = text.split(mark?.[0] ?? "no mark");
  expect(head).toBe(bytes.subarray(0, keptHeadBytes).toString());
  expect(bytes.toString().endsWith(tail)).toBe(true);
  expect(tail.length).toBeGreaterThanOrEqual(keptTailBytes);
  expect(head.length + tail.length + Number(mark?.[1])).toBe(bytes.length);
});

test("what is on disk is bounded, however long the stream", async () => {
  await keep(Buffer.alloc(12 * keptHeadBytes), 64 * 1024);
  const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
  expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(keptHeadBytes + 2 * keptTailBytes + 2 * 64 * 1024);
});

test("the cut goes round characters, so that text stays text", async () => {
  const bytes = Buffer.from("文".repeat(3 * keptHeadBytes));
  await keep(bytes, 99_991);
  const { bytes: kept } = await readOutput(dir, 1, "stdout", bytes.length);
  expect(kept.toString("utf8")).not.toContain("\uFFFD");
});

test("chunks that are added at once stay in their order", async () => {
  const bytes = numbered(3 * keptHeadBytes);
  const keeper = new OutputKeeper(dir, 1, "stdout");
  await Promise.all(
    [0, 1, 2].map((part) => keeper.add(bytes.subarray(part * keptHeadBytes, (part + 1) * keptHeadBytes))),
  );
  await keeper.close();
  const { bytes: kept, isCut } = await readOutput(dir, 1, "stdout", bytes.length);
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
    await keeper.close();
  }
  expect((await readOutput(dir, 1, "stderr", 8)).bytes.toString()).toBe("1 stderr");
  expect((await readOutput(dir, 12, "stdout", 9)).bytes.toString()).toBe("12 stdout");
});

test("output of a command of which nobody knows how much it printed is what is there", async () => {
  await keep(Buffer.from("half a li"), 4);
  expect(await readOutput(dir, 1, "stdout", undefined)).toMatchObject({ isCut: false });
  expect((await readOutput(dir, 2, "stdout", undefined)).bytes).toHaveLength(0);
});

test("output of a command whose end was recorded without its length is not taken for whole", async () => {
  // As the end is written that a lost supervisor leaves: nobody counted.
  await keep(numbered(8 * keptHeadBytes), 300_007);
  expect((await readOutput(dir, 1, "stdout", undefined)).isCut).toBe(true);
});

test("a folder that is gone is told to whoever adds", async () => {
  const keeper = new OutputKeeper(join(dir, "gone"), 1, "stdout");
  await expect(keeper.add(Buffer.from("x"))).rejects.toThrow(/ENOENT/);
  await keeper.close();
});

test.each([
  ["abc", "abc"],
  ["文", "文"],
])("whole characters of %j stay", (text, expected) => {
  expect(wholeCharacters(Buffer.from(text)).toString()).toBe(expected);
});

test("a character that was cut in two goes, and bytes that are no text stay", () => {
  const bytes = Buffer.from("a🙂");
  for (const length of [2, 3, 4]) expect(wholeCharacters(bytes.subarray(0, length)).toString()).toBe("a");
  const binary = Buffer.from([0xff, 0xfe, 0xfd, 0xfc, 0xfb]);
  expect(wholeCharacters(binary).equals(binary)).toBe(true);
});
