import fc from "fast-check";
import { expect, test } from "vitest";
import type { PyroError } from "../../../../../src/core/errors.ts";
import { applyFilePatch } from "../../../../../src/tree/patch/apply.ts";
import { decodeBase85, encodeBase85 } from "../../../../../src/tree/patch/binary/base85.ts";
import { applyDelta } from "../../../../../src/tree/patch/binary/delta.ts";
import { formatChange } from "../../../../../src/tree/patch/format.ts";
import { parsePatch } from "../../../../../src/tree/patch/parse/parse.ts";

const bytes = fc.uint8Array({ maxLength: 200 }).map((content) => Buffer.from(content));
const side = (content: Buffer) => ({ type: "file" as const, mode: 0o644, content });

function change(old: Buffer, next: Buffer) {
  const path = Buffer.from("x");
  const { patch } = formatChange({ path, status: "modified", old: side(old), new: side(next) });
  const [parsed] = parsePatch(patch ?? "");
  if (!parsed) throw new Error("the patch is empty");
  return parsed;
}

test("base 85 is read back, whatever the last group is padded with", () => {
  fc.assert(
    fc.property(bytes, (content) => {
      expect(decodeBase85(encodeBase85(content))?.subarray(0, content.length)).toEqual(content);
    }),
  );
  expect(decodeBase85("~~~~~")).toBeNull();
  expect(decodeBase85("00 00")).toBeNull();
});

test("a change of bytes applies to the content that it was made from, and to no other", () => {
  const [old, next] = [Buffer.from([0, 1, 2]), Buffer.from([0, 255, 2, 3])];
  const patch = change(old, next);
  expect(applyFilePatch(old, patch).content).toEqual(next);
  const refusal = (content: Buffer) => {
    try {
      applyFilePatch(content, patch);
    } catch (error) {
      return (error as PyroError).message;
    }
    return "applied";
  };
  expect(refusal(next)).toBe("cannot apply patch to 'x': it is already applied");
  expect(refusal(Buffer.from([0, 1]))).toContain("the file is not the one that the patch was made from");
});

test("a change whose bytes are not those of its id is refused", () => {
  const [old, next, other] = [Buffer.from([0]), Buffer.from([0, 1]), Buffer.from([0, 2])];
  const { binary } = change(old, other);
  const patch = change(old, next);
  if (!binary || !patch.binary) throw new Error("the patch has no bytes");
  const damaged = { ...patch, binary: { ...patch.binary, data: binary.data } };
  expect(() => applyFilePatch(old, damaged)).toThrow("its bytes are damaged");
});

const base = Buffer.from("0123456789");

test.each([
  ["new bytes", [10, 2, 2, 0x61, 0x62], "ab"],
  ["a copy", [10, 4, 0x91, 3, 4], "3456"],
  ["a copy from the start", [10, 3, 0x90, 3], "012"],
  ["several pieces", [10, 4, 0x91, 8, 2, 2, 0x61, 0x62], "89ab"],
])("a delta of %s", (_, delta, expected) => {
  expect(applyDelta(base, Buffer.from(delta), 100)?.toString()).toBe(expected);
});

test.each([
  ["another base", [9, 2, 2, 0x61, 0x62]],
  ["more than it says", [10, 1, 2, 0x61, 0x62]],
  ["less than it says", [10, 3, 2, 0x61, 0x62]],
  ["a copy beyond the base", [10, 4, 0x91, 8, 4]],
  ["a cut end", [10, 4, 4, 0x61]],
  ["a reserved command", [10, 1, 0]],
  ["more than the limit", [10, 0xff, 0xff, 0xff, 0x7f]],
  ["nothing", []],
])("a delta of %s is refused", (_, delta) => {
  expect(applyDelta(base, Buffer.from(delta), 100)).toBeNull();
});

test("no delta makes more than the limit, or never ends", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (delta) => {
      expect(applyDelta(base, Buffer.from([10, ...delta]), 1000)?.length ?? 0).toBeLessThanOrEqual(1000);
    }),
    { numRuns: 500 },
  );
});
