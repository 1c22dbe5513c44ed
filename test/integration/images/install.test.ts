import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BuildPhase } from "../../../src/images/builder.ts";
import { catalogEntry } from "../../../src/images/catalog.ts";
import { type EnvironmentProgress, installEnvironment } from "../../../src/images/install.ts";
import { findEnvironment } from "../../../src/images/store.ts";
import { fakeBuilder } from "./fake-builder.ts";
import { temporaryStore } from "./temporary-store.ts";

const name = "debian:12";
const entry = catalogEntry(name);
const installedFiles = [
  expect.stringMatching(/^environments\/blobs\/sha256\/[0-9a-f]{64}$/),
  expect.stringMatching(/^environments\/blobs\/sha256\/[0-9a-f]{64}$/),
  expect.stringMatching(/^environments\/blobs\/sha256\/[0-9a-f]{64}$/),
  "environments/debian-12/environment.json",
];

test("a pull builds once, tells its phases in order, and the next one reuses what is there", async () => {
  const { store, outsideDir, files } = await temporaryStore();
  const builder = fakeBuilder({ outsideDir });
  const phases: string[] = [];
  const onProgress = ({ phase }: EnvironmentProgress) => phases.push(phase);
  const first = await installEnvironment({ store, entry, builder }, { onProgress });
  const second = await installEnvironment({ store, entry, builder }, { onProgress });
  expect(phases).toEqual(["check", "packages", "kernel", "image", "publish", "done", "done"]);
  expect(second).toEqual(first);
  expect(builder.builds).toBe(1);
  expect(await findEnvironment(store, name)).toEqual(first);
  expect(await files()).toEqual(installedFiles);
});

test("of two pulls at once one builds, and the other tells that it waits and uses the result", async () => {
  const { store, outsideDir } = await temporaryStore();
  const waiting: string[] = [];
  const second = fakeBuilder({ outsideDir });
  let secondPull: Promise<unknown> = Promise.resolve();
  const first = fakeBuilder({
    outsideDir,
    during: async (phase) => {
      if (phase !== "kernel") return;
      await new Promise<void>((resolve) => {
        const onProgress = ({ phase, detail = "" }: EnvironmentProgress) => {
          if (phase !== "wait") return;
          waiting.push(detail);
          resolve();
        };
        secondPull = installEnvironment({ store, entry, builder: second }, { onProgress });
      });
    },
  });
  const installed = await installEnvironment({ store, entry, builder: first });
  expect(await secondPull).toEqual(installed);
  expect(waiting).toEqual([`waiting for process ${process.pid}, which is pulling debian:12`]);
  expect(second.builds).toBe(0);
});

test("pulls of different environments do not wait for each other", async () => {
  const { store, outsideDir } = await temporaryStore();
  const other = catalogEntry("debian:12-base");
  const inner = fakeBuilder({ outsideDir, content: "other" });
  const builder = fakeBuilder({
    outsideDir,
    during: async (phase) => {
      if (phase === "kernel") await installEnvironment({ store, entry: other, builder: inner });
    },
  });
  await installEnvironment({ store, entry, builder });
  expect(await findEnvironment(store, name)).toBeDefined();
  expect(await findEnvironment(store, "debian:12-base")).toBeDefined();
});

const phases: readonly BuildPhase[] = ["packages", "kernel", "image"];

test.each(phases)("a pull cancelled in phase %s leaves nothing, and the next one succeeds", async (phase) => {
  const { store, outsideDir, files } = await temporaryStore();
  const controller = new AbortController();
  const cancelled = fakeBuilder({
    outsideDir,
    during: (current, signal) => {
      if (current === phase) controller.abort();
      signal?.throwIfAborted();
    },
  });
  const pull = installEnvironment({ store, entry, builder: cancelled }, { signal: controller.signal });
  await expect(pull).rejects.toMatchObject({ code: "cancelled" });
  expect(await files()).toEqual([]);
  expect(await findEnvironment(store, name)).toBeUndefined();
  await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir }) });
  expect(await files()).toEqual(installedFiles);
});

test("a pull is refused before it builds when the disk is too full", async () => {
  const { store, outsideDir, files } = await temporaryStore();
  const builder = fakeBuilder({ outsideDir });
  const pull = installEnvironment({ store, entry, builder, volumeOf: async () => ({ id: 1, freeBytes: 999 }) });
  await expect(pull).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(builder.builds).toBe(0);
  expect(await files()).toEqual([]);
});

test("a disk that becomes full in the middle is told as such", async () => {
  const { store, outsideDir, files } = await temporaryStore();
  const builder = fakeBuilder({
    outsideDir,
    during: () => {
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    },
  });
  await expect(installEnvironment({ store, entry, builder })).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "cannot pull 'debian:12': the disk is full",
  });
  expect(await files()).toEqual([]);
});

test("a pull of a newer version shares what did not change; the old image stays for those who use it", async () => {
  const { store, outsideDir } = await temporaryStore();
  const older = { ...entry, version: "0.9.0" };
  const before = await installEnvironment({ store, entry: older, builder: fakeBuilder({ outsideDir }) });
  const after = await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir, content: "newer" }) });
  expect(after.kernelPath).toBe(before.kernelPath);
  expect(after.rootImagePath).not.toBe(before.rootImagePath);
  expect(await readFile(before.rootImagePath, "utf8")).toBe("root");
  expect(after.digest).not.toBe(before.digest);
  expect(await findEnvironment(store, name)).toEqual(after);
});

test("everything that a pull keeps, its locks included, is in the folder of the environments", async () => {
  const { store, outsideDir } = await temporaryStore();
  const locks = join(store.environmentsDir, "locks");
  const during = async () => expect(await readdir(locks)).toContain("environment-debian-12.lock");
  await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir, during }) });
  expect(await readdir(join(store.environmentsDir, ".."))).toEqual(["environments", "outside"]);
});
