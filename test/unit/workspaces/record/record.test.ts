import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readRecord } from "../../../../src/host/files.ts";
import { offline } from "../../../../src/network/policy/rules.ts";
import type { JournalLine } from "../../../../src/workspaces/record/journal.ts";
import { migrateRecord, withLatest, workspaceRecordSchema } from "../../../../src/workspaces/record/record.ts";
import { workspaceRecord } from "../../../helpers/workspace-record.ts";

/** Records of stopped workspaces as older versions wrote them: they must be read for ever. */
const pathOf = (version: number) => fileURLToPath(new URL(`./workspace-${version}.json`, import.meta.url));

test.each([1, 2, 3, 4, 5])("a record of format %d is read, and its root disk counts as whole", async (version) => {
  const read = await readRecord(pathOf(version), workspaceRecordSchema, migrateRecord);
  expect(read).toMatchObject({
    status: "ok",
    record: {
      formatVersion: 6,
      name: "fix-parser",
      layers: ["2.qcow2", "3.qcow2"],
      lastCommand: { sequence: 1, command: ["make", "test"], exitCode: 0 },
      rootUnsyncedIn: null,
      rootLoss: null,
      baseline: null,
      network: offline,
      secrets: [],
    },
  });
});

test.each([{ format_version: 7 }, { format_version: "1" }, {}, null, [], "text"])("%j stays what it is", (stored) => {
  expect(migrateRecord(stored)).toEqual(stored);
});

const at = (second: number) => `2026-02-01T00:00:0${second}.000Z`;
const command = (sequence: number, second: number): JournalLine => ({
  event: "command",
  at: at(second),
  command: { sequence, command: ["true"], cwd: "/workspace" },
});
const edit: JournalLine = {
  event: "edit",
  at: at(5),
  edit: { kind: "file_write", path: "/workspace/a", entryCount: 1, bytesWritten: 1 },
};

test("while a workspace runs, its history says what its record does not", () => {
  const record = workspaceRecord({ commandCount: 1 });
  expect(withLatest(record, [command(1, 1), command(2, 2), edit])).toMatchObject({
    commandCount: 2,
    lastCommand: { sequence: 2, exitCode: null },
    lastActivityAt: at(5),
  });
  expect(withLatest(record, [])).toEqual(record);
});

test("a number that a power cut took from the history is not given again", () => {
  const lastCommand = { sequence: 3, command: ["make"], cwd: "/workspace", exitCode: null, durationMs: null };
  const record = workspaceRecord({ commandCount: 3, lastCommand });
  expect(withLatest(record, [command(1, 1), command(2, 2)])).toMatchObject({ commandCount: 3, lastCommand });
});
