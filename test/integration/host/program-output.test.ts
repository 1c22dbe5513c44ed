import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type OutputOptions, readOutput } from "../../../src/host/program-output.ts";

async function outputOf(
  command: readonly [string, ...string[]],
  options: Partial<OutputOptions> = {},
): Promise<{ readonly output: Buffer; readonly exitCode: number | null }> {
  const pieces: Buffer[] = [];
  const ending = await readOutput(command, {
    timeoutMs: 10_000,
    ...options,
    onOutput: (piece) => pieces.push(piece),
  });
  return { output: Buffer.concat(pieces), exitCode: ending.exitCode };
}

test("a program's input and output are any bytes, more than a pipe holds", async () => {
  const input = randomBytes(3_000_000);
  const { output, exitCode } = await outputOf(["cat"], { input });
  expect(exitCode).toBe(0);
  expect(output.equals(input)).toBe(true);
});

test("a program without input, or with an empty one, finds its end at once", async () => {
  expect(await outputOf(["cat"])).toMatchObject({ exitCode: 0, output: Buffer.alloc(0) });
  expect(await outputOf(["cat"], { input: Buffer.alloc(0) })).toMatchObject({ exitCode: 0, output: Buffer.alloc(0) });
});

test("a program need not read its input", async () => {
  const input = Buffer.alloc(3_000_000);
  expect(await outputOf(["sh", "-c", "echo enough; exit 3"], { input })).toEqual({
    exitCode: 3,
    output: Buffer.from("enough\n"),
  });
});

test("a program that prints nothing for too long is ended, and one that prints is not", async () => {
  await expect(outputOf(["sh", "-c", "echo; sleep 77.4"], { silentMs: 400 })).rejects.toMatchObject({
    code: "timeout",
    message: "'sh' printed nothing for 0.4 s",
  });
  const steady = "for turn in 1 2 3 4 5 6 7 8 9 10; do echo; sleep 0.3; done";
  expect((await outputOf(["sh", "-c", steady], { silentMs: 2_000 })).output.length).toBe(10);
});

test("a program that neither reads its input nor ends is ended at its deadline", async () => {
  const input = Buffer.alloc(3_000_000);
  await expect(outputOf(["sleep", "77.5"], { input, timeoutMs: 300 })).rejects.toMatchObject({ code: "timeout" });
});
