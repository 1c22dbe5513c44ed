import { spawn } from "node:child_process";
import { getEventListeners } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Deferred } from "../../../src/core/async.ts";
import { withLock } from "../../../src/host/lock/lock.ts";

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

test("a waiting process learns who holds the lock, and gives up at the deadline", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const isHeld = new Deferred();
  const holder = withLock(request("two"), async () => {
    isHeld.resolve();
    await held;
  });
  await isHeld.promise;
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

test("a signal that outlives the lock keeps nothing of it", async () => {
  const { signal } = new AbortController();
  await withLock({ ...request("five"), signal }, async () => {
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a lock names its holder while it is held, and no process afterwards", async () => {
  const read = () => readFile(join(dir, "six.lock"), "utf8");
  await withLock(request("six"), async () => {
    expect(await read()).toBe(`${process.pid} testing\n`);
  });
  expect(await read()).toBe("");
});

test("a folder that cannot be written to is told as such, with a way out", async () => {
  // Not even the superuser can create files there
  const work = withLock({ ...request("eight"), dir: "/sys/kernel" }, async () => {});
  await expect(work).rejects.toMatchObject({
    code: "failed_precondition",
    message: "cannot lock '/sys/kernel/eight.lock': permission denied",
    hint: "Set PYRO_CACHE_DIR and PYRO_STATE_DIR to folders that you can write to.",
  });
});

test("a lock goes when the process that holds it is killed, also with a child of it alive", async () => {
  const script = `
    import { spawn } from "node:child_process";
    import { withLock } from "./src/host/lock/lock.ts";
    const request = { dir: process.argv.at(-1), name: "nine", purpose: "dying", timeoutMs: 1000 };
    await withLock(request, async () => {
      const child = spawn("sleep", ["77.6"], { stdio: "ignore", detached: true });
      console.log(child.pid);
      // A promise that nothing refers to is collected, and the lock's file with it
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
  `;
  const owner = spawn("node_modules/.bin/tsx", ["--eval", script, "--input-type=module", "--", dir], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const child = await firstNumber(owner.stdout);
  onTestFinished(() => void process.kill(child, "SIGKILL"));
  await expect(withLock({ ...request("nine"), timeoutMs: 500 }, async () => {})).rejects.toThrow("which is dying");
  if (owner.pid !== undefined) process.kill(-owner.pid, "SIGKILL");
  await expect(withLock({ ...request("nine"), timeoutMs: 5_000 }, async () => "taken")).resolves.toBe("taken");
});

/** The first line that is a number: other programs in between may say something too. */
async function firstNumber(stream: Readable): Promise<number> {
  for await (const line of createInterface({ input: stream })) {
    if (/^\d+$/.test(line)) return Number(line);
  }
  throw new Error("the stream ended without a number");
}
