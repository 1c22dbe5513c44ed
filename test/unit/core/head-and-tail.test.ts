import fc from "fast-check";
import { expect, test } from "vitest";
import { HeadAndTail } from "../../../src/core/head-and-tail.ts";

const ascii = fc.string({ unit: fc.constantFrom(..."abcdefghij"), maxLength: 30 });

test("both ends of a stream are kept, and the line between says exactly what is missing", () => {
  fc.assert(
    fc.property(fc.array(ascii, { maxLength: 12 }), fc.nat(40), (chunks, maxBytes) => {
      const kept = new HeadAndTail(maxBytes);
      for (const chunk of chunks) kept.add(Buffer.from(chunk));
      const all = chunks.join("");
      expect(kept.totalBytes).toBe(all.length);
      expect(kept.isCut).toBe(all.length > maxBytes);
      const [headBytes, tailBytes] = [Math.ceil(maxBytes / 2), Math.floor(maxBytes / 2)];
      const [head, tail] = [all.slice(0, headBytes), all.slice(all.length - tailBytes)];
      const mark = `\n[… ${all.length - maxBytes} bytes left out …]\n`;
      expect(kept.bytes().toString()).toBe(kept.isCut ? head + mark + tail : all);
    }),
    { numRuns: 1000 },
  );
});

test("text stays text wherever it is cut, and what goes with the cut is counted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "ü", "文", "🙂"), { maxLength: 30 }),
      fc.nat(30),
      (characters, maxBytes) => {
        const kept = new HeadAndTail(maxBytes);
        for (const byte of Buffer.from(characters.join(""))) kept.add(Buffer.from([byte]));
        const text = kept.bytes().toString();
        expect(text).not.toContain("\uFFFD");
        const mark = /\n\[… (\d+) bytes left out …\]\n/.exec(text);
        const shownBytes = Buffer.byteLength(text.replace(mark?.[0] ?? "", ""));
        expect(shownBytes + Number(mark?.[1] ?? 0)).toBe(kept.totalBytes);
      },
    ),
  );
});
