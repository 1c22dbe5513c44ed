import fc from "fast-check";
import { expect, test } from "vitest";
import { type CpioEntry, cpioArchive } from "../../../src/images/cpio.ts";
import { readCpio } from "./read-cpio.ts";

const file = (path: string, content: string): CpioEntry => ({
  type: "file",
  path,
  mode: 0o644,
  content: Buffer.from(content),
});

test("cpioArchive() lists its entries by path, with type, mode, device and content", () => {
  const archive = cpioArchive([
    file("init", "agent"),
    { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "directory", path: "dev", mode: 0o755 },
  ]);
  expect(readCpio(archive)).toEqual([
    { path: "dev", mode: 0o040755, links: 2, major: 0, minor: 0, content: "" },
    { path: "dev/console", mode: 0o020600, links: 1, major: 5, minor: 1, content: "" },
    { path: "init", mode: 0o100644, links: 1, major: 0, minor: 0, content: "agent" },
  ]);
});

test("cpioArchive() gives the same bytes whatever the order of its entries", () => {
  const entries = [file("b", "2"), file("a", "1"), file("c", "")];
  expect(cpioArchive(entries.toReversed()).equals(cpioArchive(entries))).toBe(true);
});

test("cpioArchive() refuses two entries of one name", () => {
  expect(() => cpioArchive([file("a", "1"), file("b", ""), file("a", "2")])).toThrow(
    "two archive entries are named 'a'",
  );
});

test("archives that follow one another are read as one, whatever is in them", () => {
  const name = fc.stringMatching(/^[a-zä]{1,20}$/);
  const entry = fc.record({
    type: fc.constant("file" as const),
    path: name,
    mode: fc.constantFrom(0o644, 0o755),
    content: fc.uint8Array({ maxLength: 50 }),
  });
  const entries = fc.uniqueArray(entry, { selector: ({ path }) => path, maxLength: 8 });
  fc.assert(
    fc.property(entries, entries, (first, second) => {
      const [one, two] = [cpioArchive(first), cpioArchive(second)];
      expect(one.length % 4).toBe(0);
      const read = readCpio(Buffer.concat([one, two]));
      const byPath = (list: typeof first) => list.toSorted((a, b) => Buffer.from(a.path).compare(Buffer.from(b.path)));
      expect(read.map(({ path, content }) => [path, content])).toEqual(
        [...byPath(first), ...byPath(second)].map(({ path, content }) => [
          path,
          Buffer.from(content).toString("latin1"),
        ]),
      );
    }),
  );
});
