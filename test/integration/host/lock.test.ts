import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withLock } from "../../../src/host/lock.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro lock "));
});
afterAll(() => rm(dir, { recursive: true }));

const request = (name: string) => ({ dir, name, purpose: "testing", timeoutMs: 10_000 });

test("only one holds a lock at a time", async () => {
  let holders = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++holders);
    await setTimeout(20);
    holders--;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(request("one"), work)));
  expect(most).toBe(1);
});

test("whoever waits is told for whom, and gives up at the deadline", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const holder = withLock(request("two"), () => held);
  await setTimeout(100);
  const told: string[] = [];
  const waiting = withLock({ ...request("two"), timeoutMs: 600, onWait: (who) => told.push(who) }, async () => {});
  await expect(waiting).rejects.toMatchObject({
    code: "timeout",
    message: expect.stringContaining(`process ${process.pid}, which is testing`),
  });
  expect(told).toEqual([`process ${process.pid}, which is testing`]);
  release();
  await holder;
});

test("waiting can be cancelled", async () => {
  const controller = new AbortController();
  await withLock(request("three"), async () => {
    const waiting = withLock({ ...request("three"), signal: controller.signal }, async () => {});
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
  });
});

test("a lock is free again after a failure", async () => {
  await expect(withLock(request("four"), () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  await expect(withLock(request("four"), async () => "again")).resolves.toBe("again");
});
