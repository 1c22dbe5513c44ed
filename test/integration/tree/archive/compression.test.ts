import { appendFile, copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { archiveFormat } from "../../../../src/tree/archive/format.ts";
import { readArchive } from "../../../../src/tree/archive/read.ts";
import { emptyFolder } from "../folder.ts";
import { contentOf, fixtureTree } from "./content.ts";

const fixture = (name: string) => join(import.meta.dirname, "fixtures", name);

test.each([
  ["tree.tar.zst"],
  ["tree.tar.xz"],
  ["tree.tar.bz2"],
  ["frames.tar.zst"],
  ["streams.tar.xz"],
  ["streams.tar.bz2"],
  ["crc32.tar.xz"],
])("%s, as its own program made it, comes back", async (name) => {
  expect(await contentOf(fixture(name))).toEqual(fixtureTree);
});

test.each([["tree.tar.zst"], ["tree.tar.xz"], ["tree.tar.bz2"]])(
  "%s is known by its content, whatever its name",
  async (name) => {
    const path = join(await emptyFolder(), "misnamed.tar.gz");
    await copyFile(fixture(name), path);
    expect(await contentOf(path)).toEqual(fixtureTree);
  },
);

test("archives that are read at the same time do not disturb each other", async () => {
  const names = ["tree.tar.zst", "frames.tar.zst", "tree.tar.xz", "streams.tar.xz", "tree.tar.bz2"];
  const trees = await Promise.all([...names, ...names].map((name) => contentOf(fixture(name))));
  for (const read of trees) expect(read).toEqual(fixtureTree);
});

const fixtures = ["tree.tar.zst", "frames.tar.zst", "tree.tar.xz", "streams.tar.xz", "tree.tar.bz2", "streams.tar.bz2"];

test.each(fixtures)("%s, cut anywhere, is refused", async (name) => {
  const whole = await readFile(fixture(name));
  const path = join(await emptyFolder(), name);
  for (let length = 20; length < whole.length; length += 97) {
    await writeFile(path, whole.subarray(0, length));
    const failure = await failureOf(path);
    expect(failure.code).toBe("invalid_argument");
    expect(failure.message).toMatch(/: it is truncated/);
  }
});

test.each(fixtures)("%s, damaged anywhere, is refused", async (name) => {
  const whole = await readFile(fixture(name));
  const path = join(await emptyFolder(), name);
  for (let position = 14; position < whole.length; position += 89) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(position) ^ 0x10, position);
    await writeFile(path, damaged);
    // A skippable frame's content and a level of bzip2's are not checked by anything.
    const failure = await readArchive(path).then(
      () => "read",
      (error: unknown) => String(error),
    );
    expect(failure).toMatch(/^read$|: it is (?:truncated|damaged|neither|compressed|too large)|needs more than/);
    if (failure === "read") expect(await contentOf(path)).toEqual(fixtureTree);
  }
});

test.each([
  ["window.tar.zst", "it needs more than 128 MiB of memory to unpack, which is zstd's own limit too"],
  ["dictionary.tar.xz", "it needs more than 64 MiB of memory to unpack"],
  ["x86.tar.xz", "it has an xz filter or checksum that pyro does not know, beside LZMA2 and CRC"],
  ["sha256.tar.xz", "it has an xz filter or checksum that pyro does not know, beside LZMA2 and CRC"],
])("%s is refused", async (name, reason) => {
  const path = fixture(name);
  expect(await failureOf(path)).toMatchObject({
    code: "invalid_argument",
    message: `cannot read archive '${path}': ${reason}`,
  });
});

test("what follows the last stream is ignored if the format's own program ignores it", async () => {
  const dir = await emptyFolder();
  const read = async (name: string) => {
    const path = join(dir, name);
    await copyFile(fixture(name), path);
    await appendFile(path, "garbage that no program wrote");
    return contentOf(path);
  };
  expect(await read("tree.tar.bz2")).toEqual(fixtureTree);
  await expect(read("tree.tar.xz")).rejects.toThrow("it is damaged");
  await expect(read("tree.tar.zst")).rejects.toThrow("it is damaged: what follows a zstd frame is none");
});

test("thousands of empty streams cost little", async () => {
  const path = join(await emptyFolder(), "a.tar.bz2");
  const empty = Buffer.from("425a683917724538509000000000", "hex");
  await writeFile(
    path,
    Buffer.concat([...Array.from({ length: 50_000 }, () => empty), await readFile(fixture("tree.tar.bz2"))]),
  );
  expect(await contentOf(path)).toEqual(fixtureTree);
});

test("what is compressed but no archive is refused", async () => {
  const path = join(await emptyFolder(), "a.tar.zst");
  // A frame with one raw block
  await writeFile(path, Buffer.from("28b52ffd2003190000616263", "hex"));
  expect(await archiveFormat(path)).toEqual({ kind: "tar", compression: "zstd" });
  expect((await failureOf(path)).message).toContain("it is truncated");
});

async function failureOf(path: string): Promise<{ code: string; message: string }> {
  return readArchive(path).then(
    () => {
      throw new Error(`${path} was read`);
    },
    (error: { code: string; message: string }) => error,
  );
}
