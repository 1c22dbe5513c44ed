import { appendFile, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LedgerEntry, LedgerWriter, readLedger } from "../../../src/network/ledger.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-ledger-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const entry = (host: string): LedgerEntry => ({
  ...{ at: "2026-01-01T00:00:00.000Z", process: "curl", pid: 7, command: "command 1", host, port: 443 },
  ...{ address: "203.0.113.5", verdict: "allowed", reason: null, howToAllow: null },
  ...{ sentBytes: 1, receivedBytes: 2, durationMs: 3, isOpen: false, secrets: [] },
});

test("what is recorded is read back in order, without lines that a crash cut off", async () => {
  const ledger = new LedgerWriter(dir);
  ledger.record(entry("a.test"));
  ledger.record(entry("b.test"));
  await ledger.idle();
  await appendFile(join(dir, "ledger.jsonl"), '{"at":"half');
  expect(await readLedger(dir)).toEqual([entry("a.test"), entry("b.test")]);
});

test("a line from before secrets were brokered has none", async () => {
  const { secrets: _, ...older } = entry("a.test");
  const line = Object.entries(older).map(([key, value]) => [
    key.replace(/[A-Z]/g, (at) => `_${at.toLowerCase()}`),
    value,
  ]);
  await appendFile(join(dir, "ledger.jsonl"), `${JSON.stringify(Object.fromEntries(line))}\n`);
  expect(await readLedger(dir)).toEqual([entry("a.test")]);
});

test("a workspace without a ledger has an empty one", async () => {
  expect(await readLedger(join(dir, "missing"))).toEqual([]);
});

test("it keeps the latest and stays small", async () => {
  const ledger = new LedgerWriter(dir);
  const long = "x".repeat(250);
  for (let index = 0; index < 6_000; index++) ledger.record(entry(`${index}.${long}.test`));
  await ledger.idle();
  expect(await readdir(dir)).toEqual(["ledger.1.jsonl", "ledger.jsonl"]);
  const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(512 * 1024);
  const kept = await readLedger(dir);
  expect(kept.at(-1)?.host).toBe(`5999.${long}.test`);
  expect(kept.length).toBeGreaterThan(1_000);
});

test("a flood of denials pushes no connection out", async () => {
  const ledger = new LedgerWriter(dir);
  const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
  const denied = { verdict: "denied", reason: "x".repeat(500), howToAllow: "" } as const;
  ledger.record({ ...entry("first.test"), at: at(1) });
  for (let index = 0; index < 3_000; index++) ledger.record({ ...entry("evil.test"), ...denied, at: at(2) });
  ledger.record({ ...entry("last.test"), at: at(3) });
  await ledger.idle();
  const kept = await readLedger(dir);
  expect([kept.at(0)?.host, kept.at(1)?.host, kept.at(-1)?.host]).toEqual(["first.test", "evil.test", "last.test"]);
});

test("a disk that takes nothing ends no connection", async () => {
  const ledger = new LedgerWriter(join(dir, "not", "there"));
  ledger.record(entry("a.test"));
  await ledger.idle();
  const nowhere = new LedgerWriter(undefined);
  nowhere.record(entry("a.test"));
  await nowhere.idle();
});
