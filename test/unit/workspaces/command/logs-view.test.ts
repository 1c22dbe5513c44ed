import fc from "fast-check";
import { expect, test } from "vitest";
import { nothingKnown } from "../../../../src/machines/exit-status.ts";
import { decodeOutput } from "../../../../src/operations/collected-output.ts";
import { logsText, shortenLogs } from "../../../../src/workspaces/command/logs-view.ts";

/** A command whose standard output was this, of which a page was read */
function entryOf(stdout: Buffer, { offset = 0, maxBytes = Number.POSITIVE_INFINITY, sequence = 1 } = {}) {
  const page = stdout.subarray(offset, offset + maxBytes);
  const { text, encoding } = decodeOutput(page);
  const next = offset + page.length;
  return {
    ...nothingKnown,
    sequence,
    command: ["make", "test"],
    state: "ended" as const,
    exitCode: 0,
    durationMs: 10,
    redactedCount: 0,
    truncated: false,
    stdout: text,
    stdoutEncoding: encoding,
    stdoutBytes: stdout.length,
    stdoutOffset: offset,
    stderr: "",
    stderrEncoding: "utf-8" as const,
    stderrBytes: 0,
    stderrOffset: 0,
    stderrNextOffset: null,
    stdoutNextOffset: next < stdout.length ? next : null,
    cwd: "/workspace",
    executionMode: "guest" as const,
    recordedAt: "2026-01-02T03:04:05.678Z",
  };
}

const logs = <E>(...entries: E[]) => ({ workspaceId: "0a1b", count: entries.length, entries });

const text = fc.string({ unit: "binary", minLength: 1, maxLength: 5_000 }).map((each) => Buffer.from(each));
const latin = fc
  .string({ unit: fc.constantFrom("a", "b", "\n", "é"), maxLength: 5_000 })
  .map((each) => Buffer.from(each, "latin1"));

test("what is cut off a page is the beginning of the next one, whatever the bytes are", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        latin,
        fc.uint8Array({ maxLength: 5_000 }).map((bytes) => Buffer.from(bytes)),
      ),
      (stdout) => {
        let offset = 0;
        for (let pages = 0; offset < stdout.length; pages += 1) {
          const [entry] = shortenLogs(logs(entryOf(stdout, { offset, maxBytes: 700 })), 1_100).entries;
          const next = entry?.stdoutNextOffset ?? stdout.length;
          expect(next).toBeGreaterThan(offset);
          const bytes = stdout.subarray(offset, next);
          const shown = entry?.stdout ?? "";
          if (!/^\[\d+ bytes that are not text: .*\]\n$/.test(shown)) expect(shown).toBe(bytes.toString("utf8"));
          expect(pages).toBeLessThan(100);
          offset = next;
        }
      },
    ),
  );
});

test("the middle that is left out of a whole stream begins where the line in its place says", () => {
  const stdout = Buffer.from(Array.from({ length: 5_000 }, (_, index) => `caf\u00e9 ${index}\n`).join(""), "latin1");
  const [entry] = shortenLogs(logs(entryOf(stdout)), 4_000).entries;
  const [, leftOut, offset] =
    /^\[… (\d+) bytes left out; sequence=1, stream="stdout", offset=(\d+) and/m.exec(entry?.stdout ?? "") ?? [];
  const before = entry?.stdout.slice(0, entry.stdout.indexOf("[…")) ?? "";
  expect(stdout.subarray(0, Number(offset)).toString("utf8")).toBe(before);
  const after = entry?.stdout.slice(entry.stdout.indexOf("…]\n") + 3) ?? "";
  expect(stdout.subarray(Number(offset) + Number(leftOut)).toString("utf8")).toBe(after);
});

test("of many commands the newest are shown, and how many there are before", () => {
  const entries = Array.from({ length: 200 }, (_, index) =>
    entryOf(Buffer.from(`${index} `.repeat(2_000)), { sequence: index + 1 }),
  );
  const shown = shortenLogs(logs(...entries), 20_000);
  expect(JSON.stringify(shown).length).toBeLessThan(22_000);
  expect(shown.entries.at(-1)?.sequence).toBe(200);
  expect(shown.entries.length).toBeGreaterThan(3);
  expect(logsText(shown)).toContain(`[… ${200 - shown.entries.length} earlier commands`);
});
