import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nothingKnown } from "../../../../src/machines/exit-status.ts";
import { commandsOf, JournalWriter, readJournal } from "../../../../src/workspaces/record/journal.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-journal-"));
  path = join(dir, "journal.jsonl");
});
afterEach(() => rm(dir, { recursive: true }));

const command = (sequence: number, words = ["true"]) => ({
  event: "command" as const,
  command: { sequence, command: words, cwd: "/workspace" },
});
const end = (sequence: number, exitCode: number | null = 0) => ({
  event: "command_end" as const,
  end: { ...nothingKnown, sequence, exitCode, durationMs: 1.5, stdoutBytes: 3, stderrBytes: 0 },
});
async function write(...lines: Parameters<JournalWriter["append"]>[0][]): Promise<void> {
  await using journal = await JournalWriter.open(dir);
  for (const line of lines) await journal.append(line);
}
const sequences = async () => commandsOf(await readJournal(dir)).map(({ sequence }) => sequence);

test("what was appended is read back, in its order and with its time", async () => {
  const words = ["sh", "-c", "echo 'naïve 文'\n\0"];
  await write(command(1, words), command(2), end(2, 3), end(1));
  const commands = commandsOf(await readJournal(dir));
  expect(commands).toMatchObject([
    { sequence: 1, command: words, cwd: "/workspace", end: { exitCode: 0, stdoutBytes: 3 } },
    { sequence: 2, end: { exitCode: 3 } },
  ]);
  expect(Date.parse(commands[0]?.startedAt ?? "")).toBeLessThanOrEqual(Date.parse(commands[0]?.end?.endedAt ?? ""));
});

test("a command that has not ended has no end, and one that never began does not count", async () => {
  await write(command(1), end(7));
  expect(commandsOf(await readJournal(dir))).toMatchObject([{ sequence: 1, end: undefined }]);
});

test("a history of which nothing is on disk is empty", async () => {
  expect(await readJournal(dir)).toEqual([]);
});

test("a crash at any byte of the last line loses that line only, and not what is appended later", async () => {
  await write(command(1), command(2));
  const whole = await readFile(path);
  const firstEnd = whole.indexOf("\n") + 1;
  for (let length = firstEnd; length <= whole.length; length += 7) {
    await writeFile(path, whole);
    await truncate(path, length);
    expect((await sequences())[0]).toBe(1);
    await write(command(3));
    const isComplete = length >= whole.length - 1;
    expect(await sequences()).toEqual(isComplete ? [1, 2, 3] : [1, 3]);
  }
});

test("lines that make no sense are left out", async () => {
  await write(command(1));
  await appendFile(path, 'nonsense\n{}\n{"event":"command","at":"x","command":{"sequence":"two"}}\n\n[]\n"x"\nnull\n');
  await write(command(2));
  expect(await sequences()).toEqual([1, 2]);
});

test("many writes at once are whole lines", async () => {
  await using journal = await JournalWriter.open(dir);
  const all = Array.from({ length: 200 }, (_, index) => index + 1);
  await Promise.all(all.map((sequence) => journal.append(command(sequence, ["x".repeat(sequence * 100)]))));
  expect((await sequences()).toSorted((a, b) => a - b)).toEqual(all);
});

test("edits and exports keep what they were", async () => {
  const edit = { kind: "sync_push" as const, path: "/workspace/a", entryCount: 1, bytesWritten: 2 };
  const exported = { path: "/workspace/b", outputPath: "/tmp/b", entryCount: 3, bytesWritten: 4 };
  await write({ event: "edit", edit }, { event: "export", export: exported });
  expect(await readJournal(dir)).toMatchObject([{ edit }, { export: exported }]);
  expect(await readFile(path, "utf8")).toContain('"entry_count":1');
});
