import fc from "fast-check";
import { expect, test } from "vitest";
import { Scrollback } from "../../../../../src/workspaces/shell/terminal/scrollback.ts";

const keptBytes = 1024 * 1024;

test("the last mebibyte can be read from any position, however it came", () => {
  const sizes = fc.array(fc.oneof(fc.nat(3_000), fc.nat(400_000)), { maxLength: 30 });
  const position = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(sizes, position, fc.nat(100_000), (pieces, where, length) => {
      const scrollback = new Scrollback();
      const all = Buffer.from(
        Uint8Array.from({ length: pieces.reduce((sum, size) => sum + size, 0) }, (_, i) => i % 251),
      );
      let sent = 0;
      for (const size of pieces) {
        scrollback.add(all.subarray(sent, sent + size));
        sent += size;
      }
      expect(scrollback.end).toBe(all.length);
      expect(scrollback.oldest).toBe(Math.max(0, all.length - keptBytes));
      const from = scrollback.oldest + Math.floor(where * (scrollback.end - scrollback.oldest));
      expect(scrollback.read(from, length).equals(all.subarray(from, from + length))).toBe(true);
    }),
    { numRuns: 50 },
  );
});
