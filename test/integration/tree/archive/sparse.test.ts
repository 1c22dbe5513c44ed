import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readArchive } from "../../../../src/tree/archive/read.ts";
import { emptyFolder, shell } from "../folder.ts";
import { contentOf } from "./content.ts";
import { type Member, tarOf } from "./tar-members.ts";

const gib = 1024 ** 3;

const versions = [
  ["GNU tar's own format", "--format=gnu"],
  ["PAX 0.0", "--format=posix --sparse-version=0.0"],
  ["PAX 0.1", "--format=posix --sparse-version=0.1"],
  ["PAX 1.0", "--format=posix --sparse-version=1.0"],
] as const;

test.each(versions)("sparse files of %s come back with their holes", async (_what, options) => {
  const dir = await emptyFolder();
  // Sixty parts need further headers in GNU's format, and several blocks in PAX 1.0.
  await shell(
    `cd "$1"; mkdir in; truncate --size 5G in/large; printf start | dd of=in/large conv=notrunc status=none
     printf middle | dd of=in/large bs=1 seek=3000000000 conv=notrunc status=none
     truncate --size 1M in/empty
     for part in $(seq 60); do printf $part | dd of=in/many bs=64K seek=$part conv=notrunc status=none; done
     printf end >> in/many; printf after > in/z
     tar --create --sparse ${options} --sort=name --file=a.tar --directory=in .`,
    dir,
  );
  const archive = await readArchive(join(dir, "a.tar"));
  expect(archive.contentBytes).toBeGreaterThan(5 * gib);
  expect(archive.diskBytes).toBeLessThan(2 * 1024 ** 2);
  const read: Record<string, { size: number; text: string; holes: number }> = {};
  for await (const item of archive.items()) {
    if (item.type !== "file") continue;
    let [text, holes] = ["", 0];
    for await (const piece of item.content()) {
      if ("hole" in piece) holes += piece.hole;
      else text += piece.data.toString("latin1").replaceAll("\0", "");
    }
    read[item.path.toString()] = { size: item.size, text, holes };
  }
  const parts = Array.from({ length: 60 }, (_, index) => index + 1).join("");
  expect(read).toMatchObject({
    large: { size: 5 * gib, text: "startmiddle" },
    empty: { size: 1024 ** 2, text: "", holes: 1024 ** 2 },
    many: { text: `${parts}end` },
    z: { size: 5, text: "after", holes: 0 },
  });
  expect(read["large"]?.holes).toBeGreaterThan(4.9 * gib);
  expect(read["many"]?.size).toBe((await readFile(join(dir, "in", "many"))).length);
});

const named = { "GNU.sparse.name": "s", "GNU.sparse.size": "10" };
const version1 = { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s" };

test.each<[string, Member, string]>([
  ["in 0.0", { name: "s", pax: pairs("10", [2, 3], [7, 1]), content: "abcd" }, "<2>abc<2>d<2>"],
  ["in 0.1", { name: "x", pax: { ...named, "GNU.sparse.map": "2,3,10,0" }, content: "abc" }, "<2>abc<5>"],
  [
    "in 1.0",
    { name: "x", pax: { ...version1, "GNU.sparse.realsize": "10" }, content: `${"1\n2\n3\n".padEnd(512, "\0")}abc` },
    "<2>abc<5>",
  ],
  ["in an old header", oldGnu("10", [2, 3]), "<2>abc<5>"],
])("a map %s puts parts in their places", async (_what, member, content) => {
  expect(await contentOf(await archiveOf([member]))).toMatchObject({ s: `file 644 ${content}` });
});

test.each<[string, Member, string]>([
  [
    "parts that overlap",
    { name: "s", pax: pairs("10", [2, 3], [4, 1]), content: "abcd" },
    "the parts in its map of holes overlap or are out of order",
  ],
  [
    "parts out of order",
    { name: "s", pax: pairs("10", [5, 3], [1, 1]), content: "abcd" },
    "the parts in its map of holes overlap or are out of order",
  ],
  [
    "a part beyond its end",
    { name: "s", pax: pairs("10", [8, 3]), content: "abc" },
    "its map of holes reaches beyond its end",
  ],
  [
    "too little content",
    { name: "s", pax: pairs("10", [1, 3]), content: "ab" },
    "its map of holes does not fit its content",
  ],
  ["no size", { name: "s", pax: { "GNU.sparse.map": "0,1" }, content: "a" }, "it is a sparse file of no known size"],
  [
    "a size that is no number",
    { name: "s", pax: { ...named, "GNU.sparse.size": "-1", "GNU.sparse.map": "0,1" }, content: "a" },
    "it is a sparse file of no known size",
  ],
  [
    "half a pair",
    { name: "s", pax: { ...named, "GNU.sparse.map": "0,1,2" }, content: "a" },
    "its map of holes is damaged",
  ],
  [
    "a wrong count",
    { name: "s", pax: { ...named, "GNU.sparse.numblocks": "2", "GNU.sparse.map": "0,1" }, content: "a" },
    "its map of holes is damaged",
  ],
  [
    "lengths before offsets",
    {
      name: "s",
      pax: [
        ["GNU.sparse.size", "9"],
        ["GNU.sparse.numbytes", "1"],
        ["GNU.sparse.offset", "0"],
      ],
      content: "a",
    },
    "its map of holes is damaged",
  ],
  [
    "an unknown version",
    { name: "s", pax: { ...named, "GNU.sparse.major": "2" }, content: "a" },
    "its map of holes is of an unknown version",
  ],
  [
    "a map that never ends",
    { name: "s", pax: { ...version1, "GNU.sparse.realsize": "9" }, content: "9".repeat(2048) },
    "its map of holes is damaged",
  ],
  [
    "a map of a million parts more",
    { name: "s", pax: { ...version1, "GNU.sparse.realsize": "9" }, content: "2000000\n".padEnd(1024, "0\n") },
    "its map of holes is damaged",
  ],
  [
    "parts of an old header that overlap",
    oldGnu("10", [2, 3], [4, 0]),
    "the parts in its map of holes overlap or are out of order",
  ],
])("a sparse file with %s is refused", async (_what, member, reason) => {
  const path = await archiveOf([member, { name: "after" }]);
  await expect(readArchive(path)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `cannot read archive '${path}': member 's' is refused: ${reason}`,
  });
});

test("holes count for the limit of content", async () => {
  const path = await archiveOf([
    { name: "s", pax: { ...named, "GNU.sparse.size": String(31 * gib), "GNU.sparse.map": "0,0" } },
  ]);
  await expect(readArchive(path)).rejects.toMatchObject({ code: "resource_exhausted" });
});

test("further headers that are cut off are refused", async () => {
  const member = oldGnu("10", [2, 3]);
  const path = await archiveOf([{ ...member, gnu: { ...member.gnu, 482: "\x01" }, content: "" }]);
  await expect(readArchive(path)).rejects.toMatchObject({ code: "invalid_argument" });
});

function pairs(size: string, ...parts: readonly (readonly [number, number])[]): readonly (readonly [string, string])[] {
  const records = parts.flatMap(([offset, length]): [string, string][] => [
    ["GNU.sparse.offset", String(offset)],
    ["GNU.sparse.numbytes", String(length)],
  ]);
  return [["GNU.sparse.size", size], ["GNU.sparse.numblocks", String(parts.length)], ...records];
}

function oldGnu(size: string, ...parts: readonly (readonly [number, number])[]): Member {
  const octal = (value: number) => `${value.toString(8).padStart(11, "0")}\0`;
  const map = parts.map(([offset, length]) => octal(offset) + octal(length)).join("");
  return { name: "s", kind: "S", content: "abc", gnu: { 386: map, 483: octal(Number(size)) } };
}

async function archiveOf(members: readonly Member[]): Promise<string> {
  const path = join(await emptyFolder(), "a.tar");
  await writeFile(path, tarOf(members));
  return path;
}
