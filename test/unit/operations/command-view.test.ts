import { expect, test } from "vitest";
import { CollectedOutput } from "../../../src/operations/collected-output.ts";
import { rawOutput, readableStreams } from "../../../src/operations/command-view.ts";

function shortened(output: string, maxChars: number): string {
  const collected = new CollectedOutput({ keptOutputBytes: 10_000, asTerminal: true });
  void collected.streams.onStdout(Buffer.from(output));
  return readableStreams(collected.result(), maxChars, (stream, offset) => rawOutput(3, stream, offset)).stdout;
}

const leftOut = /^\[… (\d+) bytes left out; sequence=3, stream="stdout", offset(?:=(\d+))? and max_bytes …\]\n/m;

test.each([5_000, 100_000])("what is left out of %d lines begins where the line in its place says", (count) => {
  const output = Array.from({ length: count }, (_, index) => `line ${index} é\n`).join("");
  const text = shortened(output, 4_000);
  const [line = "", bytes, offset] = leftOut.exec(text) ?? [];
  const [head = "", tail = ""] = text.split(line);
  const written = Buffer.from(output);
  expect(written.subarray(0, Number(offset)).toString()).toBe(head);
  expect(written.subarray(Number(offset) + Number(bytes)).toString()).toBe(tail);
});

test("where colors are gone no offset is named, because it would be another", () => {
  const text = shortened("\x1b[32mok\x1b[0m a line of text\n".repeat(5_000), 4_000);
  const [line = "", bytes, offset] = leftOut.exec(text) ?? [];
  expect(offset).toBeUndefined();
  expect(text.length - line.length + Number(bytes)).toBe("ok a line of text\n".repeat(5_000).length);
});
