import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { readArchive } from "../../../../src/tree/archive/read.ts";
import { emptyFolder, shell } from "../folder.ts";
import { contentOf } from "./content.ts";
import { tarOf } from "./tar-members.ts";

const first = tarOf([{ name: "first", content: "1" }], false);
const second = tarOf([{ name: "second", content: "2" }]);
const zeros = (length: number) => Buffer.alloc(length);
const garbage = Buffer.alloc(2000, "garbage");

/** What GNU tar reads of them is compared with what comes back. */
const ends: readonly (readonly [string, Buffer])[] = [
  ["two blocks of zeros", zeros(1024)],
  ["many blocks of zeros", zeros(20 * 512)],
  ["zeros that are no whole blocks", zeros(1024 + 100)],
  ["one block of zeros", zeros(512)],
  ["one block of zeros, and a part of one", zeros(512 + 188)],
  ["garbage after two blocks of zeros", Buffer.concat([zeros(1024), garbage])],
  ["garbage after one block of zeros", Buffer.concat([zeros(512), garbage])],
  ["another archive after two blocks of zeros", Buffer.concat([zeros(1024), second])],
  ["another archive after one block of zeros", Buffer.concat([zeros(512), second])],
];

test.each(ends)("an archive that ends with %s is read as GNU tar does", async (_what, end) => {
  const dir = await emptyFolder();
  const path = join(dir, "a.tar");
  await writeFile(path, Buffer.concat([first, end]));
  const listed = await shell('tar --list --file="$1"', path);
  const read = await contentOf(path);
  expect(Object.keys(read).filter((name) => name !== ".")).toEqual(listed.trim().split("\n"));
  expect(read).toMatchObject({ first: "file 644 1" });
  await writeFile(path, gzipSync(Buffer.concat([first, end])));
  expect(await contentOf(path)).toEqual(read);
});

test("an archive without an end is refused, and a damaged one between members too", async () => {
  const path = join(await emptyFolder(), "a.tar");
  for (const [end, reason] of [
    [Buffer.alloc(0), "it is truncated: its end is missing"],
    [zeros(300), "it is truncated"],
    [garbage.subarray(0, 1024), "it is damaged: invalid tar header"],
  ] as const) {
    await writeFile(path, Buffer.concat([first, end]));
    await expect(readArchive(path)).rejects.toThrow(`cannot read archive '${path}': ${reason}`);
  }
});

test("a stream that is damaged after the archive's end is refused", async () => {
  const path = join(await emptyFolder(), "a.tar.gz");
  const whole = gzipSync(Buffer.concat([first, zeros(1024), garbage]));
  whole.writeUInt8(whole.readUInt8(whole.length - 5) ^ 1, whole.length - 5);
  await writeFile(path, whole);
  await expect(readArchive(path)).rejects.toThrow("it is damaged: incorrect data check");
});
