import { chmod, copyFile, readFile, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { catalogEntry } from "../../../src/images/catalog.ts";
import { inspectEnvironment, listEnvironments } from "../../../src/images/describe.ts";
import { installEnvironment } from "../../../src/images/install.ts";
import { findEnvironment } from "../../../src/images/store.ts";
import { fakeBuilder } from "./fake-builder.ts";
import { type TemporaryStore, temporaryStore } from "./temporary-store.ts";

const name = "debian:12";
const entry = catalogEntry(name);

async function installed(): Promise<
  TemporaryStore & { rootImagePath: string; recordPath: string; repair(): Promise<unknown> }
> {
  const temporary = await temporaryStore();
  const { store, outsideDir } = temporary;
  const pull = () => installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir }) });
  const { rootImagePath } = await pull();
  const recordPath = join(store.environmentsDir, "debian-12", "environment.json");
  return { ...temporary, rootImagePath, recordPath, repair: pull };
}

const damages = [
  {
    what: "an image with changed bytes",
    reason: "rootImage was changed",
    damage: async ({ rootImagePath }: { rootImagePath: string }) => {
      await chmod(rootImagePath, 0o644);
      await writeFile(rootImagePath, "toor");
    },
  },
  {
    what: "a truncated image",
    reason: "rootImage has 1 bytes instead of 4",
    damage: async ({ rootImagePath }: { rootImagePath: string }) => {
      await chmod(rootImagePath, 0o644);
      await truncate(rootImagePath, 1);
    },
  },
  {
    what: "a missing image",
    reason: "rootImage is missing",
    damage: ({ rootImagePath }: { rootImagePath: string }) => rm(rootImagePath),
  },
  {
    what: "an image that cannot be read",
    reason: /^rootImage cannot be read: ELOOP/,
    damage: async ({ rootImagePath }: { rootImagePath: string }) => {
      await rm(rootImagePath);
      await symlink(rootImagePath, rootImagePath);
    },
  },
  {
    what: "a truncated environment.json",
    reason: /^environment\.json: /,
    damage: ({ recordPath }: { recordPath: string }) => truncate(recordPath, 100),
  },
];

test.each(damages)("$what is listed as damaged, refused, and repaired by the next pull", async ({ damage, reason }) => {
  const environment = await installed();
  await damage(environment);
  expect((await listEnvironments(environment.store))[0]).toMatchObject({ name, state: "damaged" });
  const described = await inspectEnvironment(environment.store, name);
  expect(described).toMatchObject({ state: "damaged", problem: expect.stringMatching(reason) });
  await expect(findEnvironment(environment.store, name)).rejects.toMatchObject({
    code: "failed_precondition",
    hint: 'Call `pyro.env.pull({ environment: "debian:12" })` to repair it.',
  });
  await environment.repair();
  expect(await findEnvironment(environment.store, name)).toBeDefined();
  expect(await readFile(environment.rootImagePath, "utf8")).toBe("root");
});

test("a cache that was copied is whole, and remembers how its files look now", async () => {
  const { store, rootImagePath, recordPath } = await installed();
  const before = await readFile(recordPath, "utf8");
  await copyFile(rootImagePath, `${rootImagePath}.copy`);
  await rename(`${rootImagePath}.copy`, rootImagePath);
  await utimes(rootImagePath, 1, 1);
  expect(await findEnvironment(store, name)).toBeDefined();
  const after = await readFile(recordPath, "utf8");
  expect(after).not.toBe(before);
  expect(await findEnvironment(store, name)).toBeDefined();
  expect(await readFile(recordPath, "utf8")).toBe(after);
});

test("listEnvironments() tells what is installed, outdated, obsolete or not there", async () => {
  const { store, recordPath, outsideDir } = await installed();
  const newer = { ...entry, version: "0.9.0", name: "debian:12-base" };
  await installEnvironment({ store, entry: newer, builder: fakeBuilder({ outsideDir }) });
  const older = { ...entry, name: "debian:11" };
  await installEnvironment({ store, entry: older, builder: fakeBuilder({ outsideDir }) });
  const listed = await listEnvironments(store);
  expect(listed.map(({ name, state }) => [name, state])).toEqual([
    ["debian:12", "installed"],
    ["debian:12-base", "outdated"],
    ["debian:12-build", "not-installed"],
    ["debian:11", "obsolete"],
  ]);
  expect(listed[0]).toMatchObject({ installDir: join(recordPath, ".."), record: { packages: [{ name: "git" }] } });
  expect(await findEnvironment(store, "debian:12-base")).toBeUndefined();
});
