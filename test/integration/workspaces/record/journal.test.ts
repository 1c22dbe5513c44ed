import { appendFile, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nothingKnown } from "../../../../src/machines/exit-status.ts";
import { commandsOf, JournalWriter, readJournal, readLatest } from "../../../../src/workspaces/record/journal.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-journal-"));
  path = join(dir, "journal.jsonl");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true });
});

const command = (sequence: number, words = ["true"]) => ({
  event: "command" as const,
  command: { sequence, command: words, cwd: "/workspace" },
});
const end = (sequence: number, exitCode: number | null = 0) => ({
  event: "command_end" as const,
  end: {
    ...nothingKnown,
    sequence,
    exitCode,
    durationMs: 1.5,
    stdoutBytes: 3,
    stderrBytes: 0,
    network: null,
    redactedCount: 0,
  },
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

test("the end of a long history has its last command", async () => {
  await write(command(1, ["x".repeat(4_000_000)]), ...Array.from({ length: 300 }, (_, index) => command(index + 2)));
  await write(...Array.from({ length: 2_000 }, (_, index) => end(index + 2)));
  const latest = await readLatest(dir);
  expect(latest.length).toBeLessThan(2_301);
  expect(commandsOf(latest).at(-1)).toMatchObject({ sequence: 301, end: { exitCode: 0 } });
  await write(command(302));
  expect(commandsOf(await readLatest(dir)).at(-1)).toMatchObject({ sequence: 302, end: undefined });
});

test("the end of a short history is all of it", async () => {
  expect(await readLatest(dir)).toEqual([]);
  await write(command(1), end(1));
  expect(await readLatest(dir)).toEqual(await readJournal(dir));
});

/** Lets the next calls of a method of all open files fail with ENOSPC, after what it did before. */
async function failing(method: "write" | "datasync", times: number, before: () => Promise<unknown>) {
  const file = await open(join(dir, "any"), "w");
  const spy = vi.spyOn(Object.getPrototypeOf(file), method);
  await file.close();
  for (let time = 0; time < times; time++) {
    spy.mockImplementationOnce(async () => {
      await before();
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    });
  }
  return spy;
}

test("what could not be written comes with the next line, and what failed half way is overwritten", async () => {
  await using journal = await JournalWriter.open(dir);
  await journal.append(command(1));
  await failing("write", 2, () => appendFile(path, '{"event":"command_end","and":"half a line"'));
  await expect(journal.commit(end(1))).rejects.toMatchObject({ code: "ENOSPC" });
  await expect(journal.append(command(2))).rejects.toMatchObject({ code: "ENOSPC" });
  await journal.commit(command(3));
  expect(commandsOf(await readJournal(dir))).toMatchObject([
    { sequence: 1, end: { exitCode: 0 } },
    { sequence: 3, end: undefined },
  ]);
  expect((await readFile(path, "utf8")).trimEnd().split("\n")).toHaveLength(3);
});

test("lines that a failed sync may have dropped are written again", async () => {
  await using journal = await JournalWriter.open(dir);
  await journal.commit(command(1));
  await failing("datasync", 1, async () => {
    // As a system does that gives up what it could not write
    const text = await readFile(path, "utf8");
    await writeFile(path, Buffer.concat([Buffer.from(text.slice(0, text.indexOf("\n") + 1)), Buffer.alloc(50)]));
  });
  await expect(journal.commit(end(1))).rejects.toMatchObject({ code: "ENOSPC" });
  await journal.commit(command(2));
  expect(commandsOf(await readJournal(dir))).toMatchObject([
    { sequence: 1, end: { exitCode: 0 } },
    { sequence: 2, end: undefined },
  ]);
});
