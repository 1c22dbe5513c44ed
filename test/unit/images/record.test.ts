import { expect, test } from "vitest";
import { fromWire, toWire } from "../../../src/core/wire-case.ts";
import { digestOf, type EnvironmentRecord, environmentRecordSchema } from "../../../src/images/record.ts";

const blob = (digit: string) => ({
  digest: `sha256:${digit.repeat(64)}`,
  sizeBytes: 4,
  stamp: { inode: "1", sizeBytes: 4, mtimeNs: "1", ctimeNs: "1" },
});
const blobs = { kernel: { ...blob("1"), version: "6.1.0" }, modules: blob("2"), rootImage: blob("3") };
const record: EnvironmentRecord = {
  formatVersion: 1,
  name: "debian:12",
  version: "1.0.0",
  catalogVersion: "1.0.0",
  architecture: "amd64",
  source: { kind: "debian-packages", suite: "bookworm", mirror: null },
  ...blobs,
  packages: [{ name: "git", version: "1:2.39" }],
  builtAt: "2026-01-01T00:00:00.000Z",
  digest: digestOf(blobs),
};

test("a record survives its way through JSON", () => {
  const json: unknown = JSON.parse(JSON.stringify(toWire(environmentRecordSchema, record)));
  expect(json).toMatchObject({ format_version: 1, root_image: { size_bytes: 4 }, source: { mirror: null } });
  expect(fromWire(environmentRecordSchema, json)).toEqual(record);
});

test("a record of another format, or with a digest that could leave the store, is refused", () => {
  const parse = (change: object) => environmentRecordSchema.safeParse({ ...record, ...change }).success;
  expect(parse({})).toBe(true);
  expect(parse({ formatVersion: 2 })).toBe(false);
  expect(parse({ modules: { ...blob("2"), digest: "sha256:../../../etc/passwd" } })).toBe(false);
});

test("digestOf() changes with each of the files, and when two are exchanged", () => {
  const variants = [
    blobs,
    { ...blobs, modules: blob("4") },
    { ...blobs, rootImage: blob("4") },
    { ...blobs, modules: blobs.rootImage, rootImage: blobs.modules },
  ];
  expect(new Set(variants.map(digestOf)).size).toBe(variants.length);
});
