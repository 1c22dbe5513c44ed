import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type HeldLock, signerOfLock, signLockFile, tryLockFile } from "../../../src/host/lock/lock-file.ts";
import { SearchPath } from "../../helpers/search-path.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-lock-file-"));
});
afterAll(() => rm(dir, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

async function lockable(name: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, "");
  return path;
}

async function requireLock(path: string): Promise<HeldLock> {
  const lock = await tryLockFile(path);
  if (lock === "held" || lock === "gone") throw new Error(`the lock is ${lock}`);
  return lock;
}

test("a file's lock is one process's at a time, at once or not at all", async () => {
  const path = await lockable("one");
  {
    await using _ = await requireLock(path);
    expect(await tryLockFile(path)).toBe("held");
  }
  await using _ = await requireLock(path);
});

test("a file that is not there cannot be locked", async () => {
  expect(await tryLockFile(join(dir, "nothing"))).toBe("gone");
  expect(await tryLockFile(join(await lockable("no-folder"), "nothing"))).toBe("gone");
});

test("its holder is named with what it does, until it has ended", async () => {
  const path = await lockable("signed");
  expect(await signerOfLock(path)).toBeUndefined();
  await signLockFile(path, "exporting the disks of workspace 'a long name'");
  await signLockFile(path, "reading");
  expect(await signerOfLock(path)).toBe(`process ${process.pid}, which is reading`);
  await writeFile(path, "4194304 reading\n");
  expect(await signerOfLock(path)).toBeUndefined();
});

test("a host without flock is told what to install", async () => {
  const path = await lockable("two");
  await using programs = await SearchPath.with("setpriv", "sh");
  vi.stubEnv("PATH", programs.dir);
  await expect(tryLockFile(path)).rejects.toMatchObject({
    code: "unavailable",
    message: `cannot lock '${path}': flock was not found`,
    hint: "Install the package util-linux.",
  });
});
