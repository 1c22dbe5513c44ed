import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { commandsOf, encodeLine, parseJournal } from "../../../../src/workspaces/record/journal.ts";

/** One line of each event, as version 0.1.0 wrote them: these must be read for ever. */
const written = await readFile(new URL("./journal.jsonl", import.meta.url), "utf8");

test("a journal of version 0.1.0 is read, each event with what it has", () => {
  expect(parseJournal(written)).toMatchObject([
    {
      event: "command",
      at: "2026-11-26T18:36:44.299Z",
      command: { sequence: 1, command: ["make", "test"], cwd: "/workspace" },
    },
    {
      event: "command_end",
      at: "2026-11-26T18:36:44.300Z",
      end: {
        sequence: 1,
        exitCode: 137,
        signal: "SIGKILL",
        timedOut: false,
        cancelled: false,
        oomKilled: true,
        startError: null,
        syncError: null,
        unknownReason: null,
        durationMs: 12.5,
        stdoutBytes: 3,
        stderrBytes: 0,
        network: null,
      },
    },
    {
      event: "edit",
      at: "2026-11-26T18:36:44.301Z",
      edit: { kind: "sync_push", path: "/workspace/a", entryCount: 1, bytesWritten: 2 },
    },
    {
      event: "export",
      at: "2026-11-26T18:36:44.301Z",
      export: { path: "/workspace/b", outputPath: "/tmp/b", entryCount: 3, bytesWritten: 4 },
    },
  ]);
  expect(commandsOf(parseJournal(written))).toMatchObject([{ sequence: 1, end: { exitCode: 137 } }]);
});

test("what version 0.1.0 wrote is written today, byte for byte, beside newer fields", () => {
  const keys = new Set([...written.matchAll(/"(\w+)":/g)].map(([, key]) => key));
  const isKnown = (key: string) => keys.has(key) || /^\d*$/.test(key);
  const withoutNewer = (line: string) =>
    `${JSON.stringify(JSON.parse(line, (key, value: unknown) => (isKnown(key) ? value : undefined)))}\n`;
  const encoded = parseJournal(written).map(encodeLine);
  expect(encoded.map(withoutNewer).join("")).toBe(written);
});

test.each([
  ["an event that this version does not know", '{"event":"service","at":"x","service":{"name":"db"}}'],
  ["an event without what belongs to it", '{"event":"command_end","at":"x","edit":{"kind":"sync_push"}}'],
  ["no event", '{"at":"x","command":{"sequence":1,"command":["true"],"cwd":"/"}}'],
])("%s is left out, and the lines after it are read", (_what, line) => {
  expect(parseJournal(`${line}\n${written}`)).toEqual(parseJournal(written));
});
