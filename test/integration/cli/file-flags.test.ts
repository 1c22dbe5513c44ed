import { once } from "node:events";
import { appendFile, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
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

const text = ["file", "write", "id", "a.txt", "--text-file"] as const;
const mebibyte = 1024 * 1024;

test.each([
  ["that is not there", "nowhere", /^--text-file: cannot read '.*nowhere': it is not there$/],
  ["that is a folder", ".", /^--text-file: cannot read '.*': it is a directory, not a file$/],
  ["that is no text", "bytes", /^--text-file: '.*bytes' is not UTF-8 text$/],
  ["of a terabyte, all of it a hole", "sparse", /sparse': it is larger than 16 MiB, which is the limit$/],
  ["that leads to a device", "device", /device': it is a character device, not a file$/],
  ["that is a socket", "socket", /socket': it is a socket, not a file$/],
  ["in a part that is no directory", "bytes/a", /it is not there$/],
  ["with a NUL in its name", "a\0b", /it has a NUL character in it$/],
  ["with a path of 5,000 characters", "x/".repeat(2500), /…': it is longer than 4095 bytes$/],
  ["with a name of 300 characters", "x".repeat(300), /it is longer than Linux takes$/],
  ["that never ends", "/dev/zero", /'\/dev\/zero': it is a character device/],
  ["that never ends, and waits", "/dev/random", /'\/dev\/random': it is a character device/],
  ["of a terminal", "/dev/tty", /'\/dev\/tty': it is a character device/],
  ["of the kernel's messages", "/proc/kmsg", /'\/proc\/kmsg': it is in a proc file system/],
  ["of processes", "/proc/self/mem", /it is in a proc file system/],
  ["of processes, as a folder", "/proc", /it is in a proc file system/],
  ["of devices", "/sys/kernel", /it is in a sysfs file system/],
])("a file %s is refused", async (_what, name, message) => {
  await writeFile(join(dir, "bytes"), Buffer.from([0xff, 0xfe]));
  await writeFile(join(dir, "sparse"), "");
  await truncate(join(dir, "sparse"), mebibyte ** 2);
  await symlink("/dev/zero", join(dir, "device")).catch(() => {});
  await using _server = await listening(join(dir, "socket"));
  const path = name.startsWith("/") ? name : join(dir, name);
  const refusal = { code: "invalid_argument", message: expect.stringMatching(message), hint: expect.any(String) };
  await expect(inputOf(...text, path)).rejects.toMatchObject(refusal);
  await expect(inputOf("patch", "apply", "id", "--patch-file", path)).rejects.toMatchObject({ code: refusal.code });
});

test("a link to itself is refused", async () => {
  await symlink(join(dir, "loop"), join(dir, "loop"));
  await expect(inputOf(...text, join(dir, "loop"))).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/loop': it is a symbolic link that leads back to itself$/),
  });
});

test("/dev/null is an empty text", async () => {
  expect(await inputOf(...text, "/dev/null")).toMatchObject({ text: "" });
});

test("a text of just the limit is read, and one that is a byte longer refused", async () => {
  const path = join(dir, "large");
  await writeFile(path, Buffer.alloc(16 * mebibyte, "x"));
  expect(await inputOf(...text, path)).toMatchObject({ text: expect.stringMatching(/^x{1000}/) });
  await appendFile(path, "y");
  await expect(inputOf(...text, path)).rejects.toThrow(/larger than 16 MiB/);
});

/** A socket's place in a folder. */
async function listening(path: string): Promise<AsyncDisposable> {
  const server = createServer().listen(path);
  await once(server, "listening");
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}
