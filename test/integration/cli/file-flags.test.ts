import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildProgram, type Invocation } from "../../../src/cli/program.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-file-flags-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function inputOf(...words: string[]): Promise<Invocation["input"]> {
  let input: Invocation["input"] = {};
  const onInvoke = async (invocation: Invocation) => {
    input = invocation.input;
  };
  await buildProgram({ version: "1.2.3", onInvoke, onServe: async () => {} }).parseAsync(["workspace", ...words], {
    from: "user",
  });
  return input;
}

test("the text of a file becomes the field that its flag is for, as it is", async () => {
  const path = join(dir, "text");
  await writeFile(path, "\uFEFFnaïve\r\n文");
  expect(await inputOf("file", "write", "id", "a.txt", "--text-file", path)).toEqual({
    workspaceId: "id",
    path: "a.txt",
    text: "\uFEFFnaïve\r\n文",
  });
  expect(await inputOf("patch", "apply", "id", "--patch-file", path)).toMatchObject({ patch: "\uFEFFnaïve\r\n文" });
});

test("an empty file is an empty text", async () => {
  const path = join(dir, "empty");
  await writeFile(path, "");
  expect(await inputOf("file", "write", "id", "a.txt", "--text-file", path)).toMatchObject({ text: "" });
});

test("a text and a file at once are refused", async () => {
  const path = join(dir, "text");
  await expect(inputOf("patch", "apply", "id", "--patch", "x", "--patch-file", path)).rejects.toMatchObject({
    code: "invalid_argument",
    message: "cannot use both --patch and --patch-file",
  });
});

test.each([
  ["that is not there", "nowhere", /^--text-file: cannot read '.*nowhere': ENOENT/],
  ["that is a folder", ".", /^--text-file: cannot read '.*': EISDIR/],
  ["that is no text", "bytes", /^--text-file: '.*bytes' is not UTF-8 text$/],
])("a file %s is refused", async (_what, name, message) => {
  await writeFile(join(dir, "bytes"), Buffer.from([0xff, 0xfe]));
  const work = inputOf("file", "write", "id", "a.txt", "--text-file", join(dir, name));
  await expect(work).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
});
