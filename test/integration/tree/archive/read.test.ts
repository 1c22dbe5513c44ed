import { appendFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { readArchive } from "../../../../src/tree/archive/read.ts";
import { emptyFolder, shell } from "../folder.ts";
import { contentOf } from "./content.ts";
import { type Member, tarGzOf, tarOf } from "./tar-members.ts";

test.each([["gnu"], ["posix"], ["ustar"], ["v7"]])("an archive of GNU tar in format %s comes back", async (format) => {
  const dir = await emptyFolder();
  const odd = format === "posix" ? "caf\\303\\251" : "caf\\351";
  await shell(
    `cd "$1"; mkdir -p in/sub in/empty; echo hi > in/sub/file; ln in/sub/file in/hard; ln -s ../gone in/link
     printf x > "in/$(printf '${odd}')"; chmod 640 in/sub/file; touch --date=@1700000000 in/sub/file
     tar --create --gzip --format=${format} --file=a.tgz --directory=in .`,
    dir,
  );
  const read = await contentOf(join(dir, "a.tgz"));
  expect(read).toEqual({
    ".": "directory 755",
    empty: "directory 755",
    sub: "directory 755",
    [format === "posix" ? "café" : '"caf\\351"']: "file 644 x",
    ...(read["hard"]?.startsWith("file")
      ? { hard: "file 640 hi\n", "sub/file": "hard_link -> hard" }
      : { hard: "hard_link -> sub/file", "sub/file": "file 640 hi\n" }),
    link: "symlink -> ../gone",
  });
});

test("long names and whatever else needs several headers", async () => {
  const dir = await emptyFolder();
  const long = `${"d".repeat(200)}/${"f".repeat(250)}`;
  await shell(
    'cd "$1"; mkdir -p "in/$(dirname "$2")"; echo a > "in/$2"; tar --create --file=a.tar --directory=in .',
    dir,
    long,
  );
  expect(Object.keys(await contentOf(join(dir, "a.tar")))).toContain(long);
});

test("names are put in order, and parents are made up", async () => {
  const members = [{ name: "./a//b/./c", content: "1" }, { name: "d/", kind: "5", mode: 0o700 }, { name: "e/" }];
  expect(await contentOf(await archiveOf(members))).toEqual({
    ".": "directory 755",
    a: "directory 755",
    "a/b": "directory 755",
    "a/b/c": "file 644 1",
    d: "directory 700",
    e: "directory 644",
  });
});

test("the last of several members with one name wins", async () => {
  const members = [
    { name: "dir", kind: "5", mode: 0o700 },
    { name: "dir/file", content: "first" },
    { name: "dir/file", content: "second" },
    { name: "./dir", kind: "5", mode: 0o750 },
  ];
  expect(await contentOf(await archiveOf(members))).toMatchObject({
    dir: "directory 750",
    "dir/file": "file 644 second",
  });
});

test("devices and pipes are skipped with the reason", async () => {
  const path = await archiveOf([
    { name: "null", kind: "3" },
    { name: "disk", kind: "4" },
    { name: "pipe", kind: "6" },
  ]);
  expect((await readArchive(path)).skipped).toEqual([
    { path: "null", reason: "it is a character device" },
    { path: "disk", reason: "it is a block device" },
    { path: "pipe", reason: "it is a named pipe" },
  ]);
});

const file = { name: "file", content: "x" };
const link = { name: "link", kind: "2", target: "/etc" };

test.each<[string, readonly Member[], string, string]>([
  ["an absolute path", [{ name: "/etc/passwd" }], "/etc/passwd", "its path is absolute"],
  ["a path that leads out", [{ name: "a/../../b" }], "a/../../b", "its path has '..' in it"],
  ["a PAX path that leads out", [{ name: "a", pax: { path: "../b" } }], "../b", "its path has '..' in it"],
  ["a zero byte", [{ name: "a", pax: { path: "a\0b" } }], '"a\\000b"', "its name has a zero byte in it"],
  [
    "a long name",
    [{ name: "a", pax: { path: "n".repeat(256) } }],
    "n".repeat(256),
    "its path has a name of more than 255 bytes",
  ],
  [
    "a long path",
    [{ name: "a", pax: { path: "n/".repeat(2500) } }],
    "n/".repeat(2500),
    "its path is longer than 4095 bytes",
  ],
  [
    "a file through a link",
    [link, { name: "link/file" }],
    "link/file",
    "it would be written through the symbolic link 'link'",
  ],
  [
    "a link in the way later",
    [{ name: "link/a/file" }, link],
    "link/a/file",
    "it would be written through the symbolic link 'link'",
  ],
  ["a file in a file", [file, { name: "file/in" }], "file/in", "'file', which it is in, is not a directory"],
  ["another type", [file, { name: "file", kind: "5" }], "file", "it is there twice, as a file and as a directory"],
  [
    "a hard link out",
    [{ name: "h", kind: "1", target: "../x" }],
    "h",
    "it is a hard link, and of its target its path has '..' in it",
  ],
  [
    "an absolute hard link",
    [{ name: "h", kind: "1", target: "/etc/shadow" }],
    "h",
    "it is a hard link, and of its target its path is absolute",
  ],
  [
    "a hard link to a link",
    [link, { name: "h", kind: "1", target: "link" }],
    "h",
    "it is a hard link to 'link', which is no earlier file of the archive",
  ],
  [
    "a hard link to a later file",
    [{ name: "h", kind: "1", target: "file" }, file],
    "h",
    "it is a hard link to 'file', which is no earlier file of the archive",
  ],
  [
    "a linked file again",
    [file, { name: "h", kind: "1", target: "file" }, file],
    "file",
    "it is there again after a hard link to it",
  ],
  [
    "a root that is a file",
    [{ name: "./", kind: "2", target: "x" }],
    "./",
    "it is the root of the tree but not a directory",
  ],
  ["an empty link", [{ name: "l", kind: "2" }], "l", "it is a symbolic link to nothing"],
  [
    "a sparse file without a map",
    [{ name: "s", kind: "S" }],
    "s",
    "it is of a kind that is not known, such as a part of a larger archive",
  ],
  [
    "a PAX sparse file without a map",
    [{ name: "GNUSparseFile.1/s", pax: { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s" } }],
    "s",
    "it is a sparse file of no known size",
  ],
])("an archive with %s is refused before anything is given out", async (_what, members, name, reason) => {
  const path = await archiveOf([{ name: "harmless", content: "x" }, ...members]);
  await expect(readArchive(path)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `cannot read archive '${path}': member '${name}' is refused: ${reason}`,
  });
});

test.each<[string, Buffer, string]>([
  ["cut in a member", tarOf([{ name: "a", content: "x".repeat(5000) }]).subarray(0, 2048), "it is truncated"],
  ["cut between members", tarOf([file], false), "it is truncated: its end is missing"],
  ["cut in its gzip stream", tarGzOf([{ name: "a", content: "x".repeat(5000) }]).subarray(0, -12), "it is truncated"],
  ["with a broken gzip stream", flipped(tarGzOf([file]), 25), "it is damaged: "],
  ["with a broken header", flipped(tarOf([file, file, file]), 1024 + 3), "it is damaged: invalid tar header"],
  ["that is gzip of something else", gzipSync("x".repeat(2000)), "it is damaged: invalid tar header"],
  ["that is none", Buffer.from("7z\xbc\xaf\x27\x1c"), "it is neither a tar nor a zip archive"],
  ["that is empty", Buffer.alloc(0), "it is neither a tar nor a zip archive"],
])("an archive %s is refused", async (_what, content, reason) => {
  const path = join(await emptyFolder(), "a.tar");
  await writeFile(path, content);
  const failure = await readArchive(path).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "invalid_argument" });
  expect(String(failure)).toContain(`cannot read archive '${path}': ${reason}`);
});

test("an archive that unpacks to too much is refused", async () => {
  const limits = { maxEntries: 3, maxBytes: 1000 };
  const many = await archiveOf([{ name: "1" }, { name: "2" }, { name: "3" }]);
  await expect(readArchive(many, { limits })).rejects.toMatchObject({ code: "resource_exhausted" });
  const deep = await archiveOf([{ name: "a/b/c/d" }]);
  await expect(readArchive(deep, { limits })).rejects.toMatchObject({ code: "resource_exhausted" });
  const large = await archiveOf([{ name: "1", content: "x".repeat(1001) }]);
  await expect(readArchive(large, { limits })).rejects.toMatchObject({ code: "resource_exhausted" });
  const lie = await archiveOf([{ name: "1", size: 8 ** 11 - 1 }]);
  await expect(readArchive(lie)).rejects.toMatchObject({ code: "invalid_argument" });
});

test("an archive that is changed after it was checked is not given out", async () => {
  const path = await archiveOf([file]);
  const archive = await readArchive(path);
  await appendFile(path, Buffer.alloc(512));
  await truncate(path, 2048);
  const read = async () => {
    for await (const _ of archive.items());
  };
  await expect(read()).rejects.toMatchObject({ code: "failed_precondition" });
});

test("what is no file is refused without waiting for it", async () => {
  const dir = await emptyFolder();
  await shell('mkfifo "$1/pipe"', dir);
  await expect(readArchive(join(dir, "pipe"))).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(readArchive(dir)).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(readArchive(join(dir, "gone.tar"))).rejects.toMatchObject({ code: "not_found" });
});

async function archiveOf(members: readonly Member[]): Promise<string> {
  const path = join(await emptyFolder(), "an archive.tar");
  await writeFile(path, tarOf(members));
  return path;
}

function flipped(content: Buffer, position: number): Buffer {
  content.writeUInt8(content.readUInt8(position) ^ 0xff, position);
  return content;
}
