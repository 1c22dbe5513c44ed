import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { readArchive } from "../../../../src/tree/archive/read.ts";
import { printablePath } from "../../../../src/tree/name.ts";
import { emptyFolder } from "../folder.ts";
import { contentOf, fixtureTree } from "./content.ts";
import { type ZipMember, zipOf } from "./zip-members.ts";

const fixture = (name: string) => join(import.meta.dirname, "fixtures", name);
const [regular, symlink, directory] = [0o100000, 0o120000, 0o040000];

test("an archive of Info-ZIP comes back", async () => {
  // A zip has no hard links.
  expect(await contentOf(fixture("tree.zip"))).toEqual({ ...fixtureTree, hard: fixtureTree.file });
  expect(await timesOf(fixture("tree.zip"))).toMatchObject({ file: 1_700_000_000n, dir: 1_700_000_000n });
});

test("lengths may follow the content, and fields may have 64 bits", async () => {
  expect(await contentOf(fixture("descriptors.zip"))).toMatchObject({
    "dir/numbers": fixtureTree["dir/numbers"],
    file: fixtureTree.file,
  });
  expect(await contentOf(fixture("zip64.zip"))).toMatchObject({ ünï: `file 600 ${"hello\n".repeat(50)}` });
});

test("an empty archive is an empty tree", async () => {
  expect(await contentOf(await archiveOf([]))).toEqual({ ".": "directory 755" });
  expect(await contentOf(await archiveOf([], "a comment"))).toEqual({ ".": "directory 755" });
});

test("modes and types come from Unix, or from DOS as far as it has them", async () => {
  const members = [
    { name: "program", unixMode: regular | 0o4755, content: "x", method: 8 },
    { name: "link", unixMode: symlink | 0o777, content: "target" },
    { name: "packed-link", unixMode: symlink | 0o777, content: "target", method: 8 },
    { name: "folder/", unixMode: directory | 0o700 },
    { name: "slash/", unixMode: regular | 0o711 },
    { name: "no-slash", unixMode: directory | 0o711 },
    { name: "no-type", unixMode: 0o600 },
    { name: "no-mode", unixMode: regular },
    { name: "dos", content: "x" },
    { name: "dos-read-only", dosAttributes: 1 },
    { name: "dos-folder", dosAttributes: 0x10 },
  ];
  expect(await contentOf(await archiveOf(members))).toEqual({
    ".": "directory 755",
    program: "file 4755 x",
    link: "symlink -> target",
    "packed-link": "symlink -> target",
    folder: "directory 700",
    slash: "directory 711",
    "no-slash": "directory 711",
    "no-type": "file 600 ",
    "no-mode": "file 644 ",
    dos: "file 644 x",
    "dos-read-only": "file 444 ",
    "dos-folder": "directory 755",
  });
});

test("names are in UTF-8, DOS's own characters or the bytes of Unix", async () => {
  const raw = Buffer.from("caf\x82", "latin1");
  const renamed = Buffer.concat([Buffer.from([1]), sumOf(raw), Buffer.from("naïve")]);
  const stale = Buffer.concat([Buffer.from([1]), sumOf(Buffer.from("other")), Buffer.from("naïve")]);
  const members = [
    { name: Buffer.from("a/caf\x82", "latin1") },
    { name: Buffer.from("b/caf\x82", "latin1"), unixMode: regular | 0o644 },
    { name: "c/café", flags: 0x800 },
    { name: raw, extra: field(0x7075, renamed) },
    { name: Buffer.concat([raw, Buffer.from("2")]), extra: field(0x7075, stale) },
    { name: "one\\two" },
    { name: "d/one\\two" },
    { name: "three\\four", unixMode: regular | 0o644 },
  ];
  expect(Object.keys(await contentOf(await archiveOf(members))).toSorted()).toEqual(
    [
      ".",
      ...["a", "a/café", "b", '"b/caf\\202"', "c", "c/café", "naïve", "café2", "one", "one/two"],
      ...["d", "d/one\\two", "three\\four"],
    ].toSorted(),
  );
});

test("times come from the extended field if there is one", async () => {
  const time = Buffer.alloc(5);
  time.writeUInt8(1, 0);
  time.writeInt32LE(1_600_000_001, 1);
  const path = await archiveOf([{ name: "extended", extra: field(0x5455, time) }, { name: "dos" }]);
  // DOS has no time zone: the archive means the host's.
  const local = BigInt(new Date(2023, 10, 14, 12).getTime() / 1000);
  expect(await timesOf(path)).toMatchObject({ extended: 1_600_000_001n, dos: local });
});

test("devices and pipes are skipped with the reason, but not what was read from a pipe", async () => {
  const path = await archiveOf([
    { name: "null", unixMode: 0o020666 },
    { name: "disk", unixMode: 0o060666 },
    { name: "pipe", unixMode: 0o010666 },
    { name: "-", unixMode: 0o010600, content: "data" },
  ]);
  expect((await readArchive(path)).skipped).toEqual([
    { path: "null", reason: "it is a character device" },
    { path: "disk", reason: "it is a block device" },
    { path: "pipe", reason: "it is a named pipe" },
  ]);
  expect(await contentOf(path)).toMatchObject({ "-": "file 600 data" });
});

const link = { name: "link", unixMode: symlink | 0o777, content: "/etc" };

test.each<[string, readonly ZipMember[], string, string]>([
  ["an absolute path", [{ name: "/etc/passwd" }], "/etc/passwd", "its path is absolute"],
  ["an absolute path of DOS", [{ name: "\\etc\\passwd" }], "/etc/passwd", "its path is absolute"],
  ["a path that leads out", [{ name: "a/../../b" }], "a/../../b", "its path has '..' in it"],
  ["a path of DOS that leads out", [{ name: "..\\b" }], "../b", "its path has '..' in it"],
  ["a zero byte", [{ name: "a\0b" }], '"a\\000b"', "its name has a zero byte in it"],
  ["no name", [{ name: "" }], ".", "it has no name"],
  ["a root that is a file", [{ name: "." }], ".", "it is the root of the tree but not a directory"],
  ["the same name twice", [{ name: "a" }, { name: "a" }], "a", "it is there twice"],
  ["the same name in other words", [{ name: "a/b" }, { name: "./a//b" }], "a/b", "it is there twice"],
  [
    "a file through a link",
    [link, { name: "link/file" }],
    "link/file",
    "it would be written through the symbolic link 'link'",
  ],
  ["a link to nothing", [{ ...link, content: "" }], "link", "it is a symbolic link to nothing"],
  ["a long link", [{ ...link, content: "x".repeat(4096) }], "link", "its target is longer than 4095 bytes"],
  ["a link with a zero byte", [{ ...link, content: "a\0b" }], "link", "its target has a zero byte in it"],
  ["a directory with content", [{ name: "d/", content: "x" }], "d/", "it is a directory with content"],
  ["a socket", [{ name: "s", unixMode: 0o140666 }], "s", "it is of a kind that is not known, such as a socket"],
  ["an encrypted member", [{ name: "e", flags: 1, method: 8 }], "e", "it is encrypted"],
  ["another method", [{ name: "m", method: 14 }], "m", "it is compressed with LZMA (14)"],
  ["an unknown method", [{ name: "m", method: 77 }], "m", "it is compressed with a method that is not known (77)"],
])("an archive with %s is refused before anything is given out", async (_what, members, name, reason) => {
  const path = await archiveOf([{ name: "harmless", content: "x" }, ...members]);
  await expect(readArchive(path)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `cannot read archive '${path}': member '${name}' is refused: ${reason}`,
  });
});

test("encrypted archives and other methods of Info-ZIP are refused", async () => {
  await expect(readArchive(fixture("encrypted.zip"))).rejects.toThrow("member 'file' is refused: it is encrypted");
  await expect(readArchive(fixture("bzip2.zip"))).rejects.toThrow("it is compressed with bzip2 (12)");
});

const packed = { name: "packed", content: "x".repeat(5000), method: 8 };

test.each<[string, Buffer, string]>([
  [
    "whose members overlap",
    zipOf([
      { name: "a", content: "x" },
      { name: "b", offset: 0, content: "x" },
    ]),
    "it is damaged: two of its members overlap",
  ],
  ["whose member reaches into its directory", reaching(), "it is damaged: a member of it reaches into its directory"],
  [
    "with a wrong checksum",
    zipOf([{ name: "a", content: "x", crc: 1 }]),
    "it is damaged: a member's checksum is wrong",
  ],
  [
    "that unpacks to more",
    zipOf([{ ...packed, size: 4999 }]),
    "it is damaged: a member's length is not as its directory says",
  ],
  [
    "that unpacks to less",
    zipOf([{ ...packed, size: 5001 }]),
    "it is damaged: a member's length is not as its directory says",
  ],
  ["without its end", zipOf([packed]).subarray(0, -10), "it is truncated: the directory at its end is missing"],
  ["without its beginning", zipOf([packed, packed]).subarray(40), "it is neither a tar nor a zip archive"],
  ["whose directory is elsewhere", moved(1 << 20), "it is truncated"],
  ["whose directory is at an impossible place", moved(2 ** 32 - 1), "it is truncated"],
  [
    "with bytes behind its end",
    Buffer.concat([zipOf([packed]), Buffer.alloc(7)]),
    "it is damaged: invalid comment length",
  ],
])("an archive %s is refused", async (_what, content, reason) => {
  const path = join(await emptyFolder(), "a.zip");
  await writeFile(path, content);
  const failure = await readArchive(path).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "invalid_argument" });
  expect(String(failure)).toContain(`cannot read archive '${path}': ${reason}`);
});

test.each([2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 2n ** 40n])(
  "an archive of 64 bits that points to %s is refused",
  async (place) => {
    const path = join(await emptyFolder(), "a.zip");
    for (const [directoryStart, recordStart] of [
      [place, 64n],
      [0n, place],
    ] as const) {
      await writeFile(path, zip64Of(directoryStart, recordStart));
      await expect(readArchive(path)).rejects.toMatchObject({ code: "invalid_argument" });
    }
  },
);

test("an archive that unpacks to too much is refused before it is unpacked", async () => {
  const limits = { maxEntries: 3, maxBytes: 1000 };
  const many = await archiveOf(["1", "2", "3", "4"].map((name) => ({ name })));
  await expect(readArchive(many, { limits })).rejects.toMatchObject({ code: "resource_exhausted" });
  const large = await archiveOf([packed]);
  await expect(readArchive(large, { limits })).rejects.toMatchObject({ code: "resource_exhausted" });
  const lie = await archiveOf([{ ...packed, size: 999 }]);
  await expect(readArchive(lie, { limits })).rejects.toMatchObject({ code: "invalid_argument" });
});

test("an archive, cut or damaged anywhere, is refused or harmless", async () => {
  const whole = await readFile(fixture("tree.zip"));
  const path = join(await emptyFolder(), "a.zip");
  for (let position = 4; position < whole.length; position += 61) {
    await writeFile(path, whole.subarray(0, position));
    await expect(readArchive(path)).rejects.toMatchObject({ code: "invalid_argument" });
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(position) ^ 0x41, position);
    await writeFile(path, damaged);
    const failure = await contentOf(path).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure !== undefined) expect(failure).toMatchObject({ code: "invalid_argument" });
  }
});

/** An archive whose member is longer than what is there of it. */
function reaching(): Buffer {
  const content = zipOf([{ name: "a", content: "x" }]);
  const record = content.indexOf("PK\x01\x02", 0, "latin1");
  content.writeUInt32LE(60, record + 20);
  content.writeUInt32LE(60, record + 24);
  return content;
}

function moved(directoryStart: number): Buffer {
  const content = zipOf([packed]);
  content.writeUInt32LE(directoryStart, content.length - 6);
  return content;
}

/** An archive whose end, of 64 bits, is at 64 but may name another place. */
function zip64Of(directoryStart: bigint, recordStart: bigint): Buffer {
  const start = Buffer.alloc(64);
  start.write("PK\x03\x04");
  const record = Buffer.alloc(56);
  record.write("PK\x06\x06");
  record.writeBigUInt64LE(44n, 4);
  record.writeBigUInt64LE(1n, 32);
  record.writeBigUInt64LE(directoryStart, 48);
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07");
  locator.writeBigUInt64LE(recordStart, 8);
  const end = Buffer.alloc(22, 0xff);
  end.write("PK\x05\x06\0\0\0\0");
  end.writeUInt16LE(0, 20);
  return Buffer.concat([start, record, locator, end]);
}

function field(id: number, data: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(id, 0);
  header.writeUInt16LE(data.length, 2);
  return Buffer.concat([header, data]);
}

function sumOf(name: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(name));
  return sum;
}

async function timesOf(path: string): Promise<Record<string, bigint>> {
  const times: Record<string, bigint> = {};
  for await (const { path: name, mtimeNs } of (await readArchive(path)).items()) {
    times[printablePath(name)] = mtimeNs / 1_000_000_000n;
  }
  return times;
}

async function archiveOf(members: readonly ZipMember[], comment?: string): Promise<string> {
  const path = join(await emptyFolder(), "an archive.zip");
  await writeFile(path, zipOf(members, comment));
  return path;
}
