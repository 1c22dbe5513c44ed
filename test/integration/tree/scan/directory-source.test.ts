import { appendFile, mkdir, open, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ContentPiece } from "../../../../src/tree/entry.ts";
import { directorySource } from "../../../../src/tree/scan/directory-source.ts";
import { scanDirectory } from "../../../../src/tree/scan/scan.ts";
import { emptyFolder } from "../folder.ts";

test("a source gives the content of files, and holes as holes", async () => {
  const dir = await emptyFolder();
  await writeFile(join(dir, "dense"), Buffer.alloc(3 << 20, 7));
  await using sparse = await open(join(dir, "sparse"), "w");
  await sparse.truncate(40 << 20);
  await sparse.write(Buffer.from("in the middle"), 0, 13, 20 << 20);
  const contents = new Map<string, ContentPiece[]>();
  for await (const item of directorySource(await scanDirectory(dir))) {
    const pieces: ContentPiece[] = [];
    for await (const piece of item.content()) pieces.push(piece);
    contents.set(item.path.toString(), pieces);
  }
  expect(contents.get("")).toEqual([]);
  expect(joined(contents.get("dense")).equals(Buffer.alloc(3 << 20, 7))).toBe(true);
  const data = (contents.get("sparse") ?? []).filter((piece) => "data" in piece);
  expect(joined(data).length).toBe(64 * 1024);
  const expected = Buffer.alloc(40 << 20);
  expected.write("in the middle", 20 << 20);
  expect(joined(contents.get("sparse")).equals(expected)).toBe(true);
});

test.each([
  ["grew", (path: string) => appendFile(path, "more")],
  ["was rewritten", (path: string) => writeFile(path, "CONTENT")],
  ["went away", (path: string) => rm(path)],
  ["became a link", (path: string) => rm(path).then(() => symlink("/etc/passwd", path))],
  ["became a directory", (path: string) => rm(path).then(() => mkdir(path))],
])("a file that %s since the scan is an error", async (_what, change) => {
  const dir = await emptyFolder();
  const path = join(dir, "file");
  await writeFile(path, "content");
  const scan = await scanDirectory(dir);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await change(path);
  const read = async () => {
    for await (const item of directorySource(scan)) for await (const _ of item.content());
  };
  await expect(read()).rejects.toMatchObject({
    code: "failed_precondition",
    message: "cannot read file 'file': it was changed while it was read",
  });
});

function joined(pieces: readonly ContentPiece[] = []): Buffer {
  return Buffer.concat(pieces.map((piece) => ("data" in piece ? piece.data : Buffer.alloc(piece.hole))));
}
