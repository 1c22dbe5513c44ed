import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { catalogEntry } from "../../../src/environments/catalog.ts";
import { installEnvironment } from "../../../src/environments/install.ts";
import { pruneStore } from "../../../src/environments/prune.ts";
import { findEnvironment } from "../../../src/environments/store.ts";
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

test("prune keeps files that are in use although no environment names them any more", async () => {
  const { store, outsideDir } = await temporaryStore();
  const old = await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir }) });
  await installEnvironment({ store, entry, builder: fakeBuilder({ outsideDir, content: "newer" }) }, { force: true });
  const inUse = `sha256:${old.rootImagePath.split("/").at(-1)}`;
  expect(await pruneStore(store, fakeBuilder({ outsideDir }), { keep: new Set([inUse]) })).toMatchObject({ blobs: [] });
  expect(await pruneStore(store, fakeBuilder({ outsideDir }))).toMatchObject({ blobs: [inUse] });
});

test("prune clears what a killed pull left, and an environment whose record cannot be read", async () => {
  const { store, outsideDir, files } = await temporaryStore();
  await mkdir(join(store.environmentsDir, "staging/debian-12/dead"), { recursive: true });
  await writeFile(join(store.environmentsDir, "staging/debian-12/dead/root.ext4"), "half");
  await mkdir(join(store.environmentsDir, "debian-12"));
  await writeFile(join(store.environmentsDir, "debian-12/environment.json"), "{");
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
