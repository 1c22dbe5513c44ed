import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { noNote } from "../../../../src/tree/write/staging.ts";
import { writeWholeFile } from "../../../../src/tree/write/write-file.ts";
import { emptyFolder } from "../folder.ts";

const note = async () => noNote;

test("a file gets its name when it is complete", async () => {
  const dir = await emptyFolder();
  const target = join(dir, "image");
  const made = await writeWholeFile(target, { note }, async (path) => {
    await writeFile(path, "whole");
    expect(await readdir(dir)).not.toContain("image");
    return 5;
  });
  expect(made).toBe(5);
  expect(await readdir(dir)).toEqual(["image"]);
  expect(await readFile(target, "utf8")).toBe("whole");
});

test.each([
  ["fails", new PyroError("unavailable", "the machine ended"), "unavailable"],
  ["is cancelled", new PyroError("cancelled", "the operation was cancelled"), "cancelled"],
  ["finds the disk full", Object.assign(new Error("ENOSPC"), { code: "ENOSPC" }), "resource_exhausted"],
])("a file that %s is no file", async (_, error, code) => {
  const dir = await emptyFolder();
  const write = writeWholeFile(join(dir, "image"), { note }, async (path) => {
    await writeFile(path, "a part");
    throw error;
  });
  await expect(write).rejects.toMatchObject({ code });
  expect(await readdir(dir)).toEqual([]);
});

test("nothing is replaced, also if it comes meanwhile", async () => {
  const dir = await emptyFolder();
  const target = join(dir, "image");
  const write = () =>
    writeWholeFile(target, { note }, async (path) => {
      await writeFile(path, "new");
      await writeFile(target, "theirs", { flag: "wx" });
    });
  for (let time = 0; time < 2; time++) await expect(write()).rejects.toMatchObject({ code: "already_exists" });
  expect(await readdir(dir)).toEqual(["image"]);
  expect(await readFile(target, "utf8")).toBe("theirs");
});
