import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SyntheticAddresses } from "../../../src/network/names.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-names-"));
  path = join(dir, "names");
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

test("a name has one address of the pool, and an address one name", async () => {
  const addresses = await SyntheticAddresses.open();
  const names = Array.from({ length: 600 }, (_, index) => `host${index}.test`);
  const given = await Promise.all([...names, ...names].map((name) => addresses.addressOf(name)));
  expect(given.slice(600)).toEqual(given.slice(0, 600));
  expect(new Set(given).size).toBe(600);
  expect([given[0], given[255], given[256]]).toEqual(["198.18.1.0", "198.18.1.255", "198.18.2.0"]);
  expect(given.slice(0, 600).map((address) => addresses.nameAt(address ?? ""))).toEqual(names);
});

test.each(["198.18.0.1", "198.18.1.1", "198.19.0.0", "8.8.8.8", "::1", "198.18.1", ""])(
  "%s stands for no name",
  async (address) => {
    const addresses = await SyntheticAddresses.open();
    await addresses.addressOf("only.test");
    expect(addresses.nameAt(address)).toBeUndefined();
  },
);

test("names keep their addresses after a restart, even if a crash has cut one off", async () => {
  const before = await SyntheticAddresses.open(path);
  const first = await before.addressOf("first.test");
  const second = await before.addressOf("second.test");
  await appendFile(path, "hal");
  const after = await SyntheticAddresses.open(path);
  expect([after.nameAt(first ?? ""), after.nameAt(second ?? "")]).toEqual(["first.test", "second.test"]);
  const third = await after.addressOf("third.test");
  const later = await SyntheticAddresses.open(path);
  expect(later.nameAt(third ?? "")).toBe("third.test");
  expect(await later.addressOf("second.test")).toBe(second);
});

test("an empty file has no names", async () => {
  await writeFile(path, "");
  expect((await SyntheticAddresses.open(path)).nameAt("198.18.1.0")).toBeUndefined();
});

test("a guest that makes up names without end gets no more addresses", async () => {
  const addresses = await SyntheticAddresses.open();
  for (let index = 0; index < 16_384; index++) await addresses.addressOf(`n${index}.test`);
  expect(await addresses.addressOf("more.test")).toBeUndefined();
  expect(await addresses.addressOf("n0.test")).toBe("198.18.1.0");
});
