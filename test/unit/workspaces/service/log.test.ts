import { appendFile, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogWriter, readLog, removeLog } from "../../../../src/workspaces/service/log.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-log-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function written(...pieces: readonly (readonly ["stdout" | "stderr", string | Buffer])[]) {
  const log = new LogWriter(dir, "web", 1);
  for (const [stream, content] of pieces) await log.add(stream, Buffer.from(content));
  await log.close();
  return readLog(dir, "web", 1);
}

test("lines are whole, of each stream, in the order in which they began", async () => {
  const { lines, isCut } = await written(
    ["stdout", "one\ntw"],
    ["stderr", "warning\r\n"],
    ["stdout", "o\n\nthree"],
    ["stderr", Buffer.from([0xff, 0x0a])],
  );
  expect(isCut).toBe(false);
  expect(lines.map(({ stream, text, isOpen }) => [stream, text, isOpen])).toEqual([
    ["stdout", "one", false],
    ["stdout", "two", false],
    ["stderr", "warning", false],
    ["stdout", "", false],
    ["stdout", "three", true],
    ["stderr", "\ufffd", false],
  ]);
});

test("a character that came in two pieces is one", async () => {
  const bytes = Buffer.from("文\n");
  const { lines } = await written(["stdout", bytes.subarray(0, 1)], ["stdout", bytes.subarray(1)]);
  expect(lines.map(({ text }) => text)).toEqual(["文"]);
});

test("a log keeps its newest lines, and stays small", async () => {
  const log = new LogWriter(dir, "web", 1);
  for (let index = 0; index < 400; index++) await log.add("stdout", Buffer.from(`${index} ${"x".repeat(40_000)}\n`));
  await log.close();
  const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * 1024 * 1024);
  const { lines, isCut } = await readLog(dir, "web", 1);
  expect(isCut).toBe(true);
  const numbers = lines.map(({ text }) => Number(text.split(" ")[0]));
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 400 - numbers.length + index));
  expect(numbers.length).toBeGreaterThan(100);
  await removeLog(dir, "web", 1);
  expect(await readdir(dir)).toEqual([]);
});

test("what a crash has cut off is left out, and a log that was never written is empty", async () => {
  await written(["stdout", "one\n"]);
  await appendFile(join(dir, "service-web-1.jsonl"), '{"at":"half');
  expect((await readLog(dir, "web", 1)).lines).toMatchObject([{ text: "one" }]);
  expect(await readLog(dir, "other", 1)).toEqual({ lines: [], isCut: false });
});
