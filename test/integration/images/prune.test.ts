import { randomUUID } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { catalog, catalogEntry } from "../../../src/images/catalog.ts";
import { listEnvironments } from "../../../src/images/describe.ts";
import { installEnvironment } from "../../../src/images/install.ts";
import { pruneStore } from "../../../src/images/prune.ts";
import { findEnvironment } from "../../../src/images/store.ts";
import { fakeBuilder } from "./fake-builder.ts";
import { temporaryStore } from "./temporary-store.ts";

const entry = catalogEntry("debian:12");

test("prune removes what the catalog does not list, and only the files that nothing names", async () => {
  const { store, outsideDir } = await temporaryStore();
  const wanted = await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir }) });
  for (const unwanted of [
    { ...entry, name: "debian:11" },
    { ...catalogEntry("debian:12-base"), version: "0.9.0" },
  ]) {
    await installEnvironment({ store, entry: unwanted, builder: fakeBuilder({ outsideDir, content: unwanted.name }) });
  }
  const result = await pruneStore(store, fakeBuilder({ outsideDir }));
  expect(result).toMatchObject({ environments: ["debian-11", "debian-12-base"], staging: [], busy: [] });
  expect(result.blobs).toHaveLength(2);
  expect(result.freedBytes).toBeGreaterThan(0);
  expect(await findEnvironment(store, "debian:12")).toEqual(wanted);
  expect(await pruneStore(store, fakeBuilder({ outsideDir }))).toMatchObject({
    environments: [],
    blobs: [],
    freedBytes: 0,
  });
});

/** A user's own files in a folder that pyro uses too, with names as close to pyro's as possible. */
const foreign = [
  "notes.txt",
  "project/main.c",
  "project/environment.json/not-a-file",
  "debian-11/mine.txt",
  "blobs/mine",
  "blobs/sha256/mine",
  "blobs/sha256/0123456789abcdef",
  "staging/mine",
  "staging/debian-11/mine/file",
  "staging/project/file",
];

test("prune leaves alone, and the list does not show, what pyro did not put into the folder", async () => {
  const { store, outsideDir, files } = await temporaryStore();
  for (const path of foreign) {
    const file = join(store.environmentsDir, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, "another's");
  }
  await symlink(outsideDir, join(store.environmentsDir, "link"));
  const names = async () => (await listEnvironments(store)).map(({ name }) => name);
  expect(await names()).toEqual(catalog.map(({ name }) => name));
  const obsolete = { ...entry, name: "debian:11" };
  await installEnvironment({ store, entry: obsolete, builder: fakeBuilder({ outsideDir }) });
  expect(await names()).toContain("debian:11");
  const result = await pruneStore(store, fakeBuilder({ outsideDir }));
  expect(result).toMatchObject({ environments: ["debian-11"], staging: [] });
  expect(result.blobs).toHaveLength(3);
  expect(await files()).toEqual([...foreign, "link"].map((path) => join("environments", path)).toSorted());
});

test("prune clears what a killed pull left, and an environment whose record cannot be read", async () => {
  const { store, outsideDir, files } = await temporaryStore();
  const deadPull = `staging/debian-12/${randomUUID()}`;
  await mkdir(join(store.environmentsDir, deadPull), { recursive: true });
  await writeFile(join(store.environmentsDir, deadPull, "root.ext4"), "half");
  await mkdir(join(store.environmentsDir, "debian-12"));
  await writeFile(join(store.environmentsDir, "debian-12/environment.json"), "{");
  await writeFile(join(store.environmentsDir, `debian-12/.environment.json.${randomUUID()}`), "{");
  const result = await pruneStore(store, fakeBuilder({ outsideDir }));
  expect(result).toMatchObject({ environments: ["debian-12"], staging: ["debian-12"] });
  expect(await files()).toEqual([]);
});

test("prune leaves alone what is being pulled", async () => {
  const { store, outsideDir } = await temporaryStore();
  const results: unknown[] = [];
  const builder = fakeBuilder({
    outsideDir,
    during: async (phase) => {
      if (phase === "image") results.push(await pruneStore(store, builder));
    },
  });
  await installEnvironment({ store, entry, builder });
  expect(results).toMatchObject([{ busy: ["debian-12"], staging: [], blobs: [] }]);
  expect(await findEnvironment(store, "debian:12")).toBeDefined();
});
