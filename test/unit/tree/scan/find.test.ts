import fc from "fast-check";
import { expect, test } from "vitest";
import { FindParser, type FoundFile, findErrors } from "../../../../src/tree/scan/find.ts";

const output = Buffer.concat([
  Buffer.from("d 755 4096 1700000000.1234567890 1700000001.5000000000 7 65024 2 8\0\0\0"),
  Buffer.from("xf 4000 12 -7.7500000000 1700000001.5000000000 8 65024 1 8\0a\nb/c \0\0"),
  Buffer.from("l 777 3 1700000000.0000000010 1700000001.5000000000 9 65024 1 0\0"),
  Buffer.from([0xff, 0xfe, 0, 0x2f, 0xe9, 0]),
]);

test("what find prints is understood wherever it is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(output.length), { maxLength: 20 }), (cuts) => {
      const found = parse(cuts);
      expect(found.map(({ path, target }) => [path, target])).toEqual([
        ["", ""],
        ["a\nb/c ", ""],
        ["\xff\xfe", "/\xe9"],
      ]);
    }),
  );
});

test("kinds, permissions and times of files", () => {
  const [root, file, link] = parse([]);
  expect(root).toMatchObject({ kind: "d", isForbidden: false, mode: 0o755, mtimeNs: 1700000000123456789n });
  expect(file).toMatchObject({ kind: "f", isForbidden: true, mode: 0o4000, size: 12, storedBytes: 4096 });
  expect([file?.mtimeNs, link?.mtimeNs]).toEqual([-6_250_000_000n, 1700000000000000001n]);
});

test("what find could not look at is skipped, what went away is not missed", () => {
  const said = "find: '/a/b': Permission denied\nfind: '/a/c': No such file or directory\n";
  expect(findErrors(said)).toEqual([{ path: "/a/b", reason: "permission denied" }]);
  expect(findErrors("find: I cannot go on\n")).toBeUndefined();
});

function parse(cuts: readonly number[]): FoundFile[] {
  const found: FoundFile[] = [];
  const parser = new FindParser((file) => found.push(file));
  const bounds = [0, ...cuts.toSorted((a, b) => a - b), output.length];
  for (const [index, start] of bounds.entries()) parser.add(output.subarray(start, bounds[index + 1] ?? start));
  return found;
}
