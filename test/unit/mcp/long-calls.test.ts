import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LongCalls } from "../../../src/mcp/long-calls.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new AbortController().signal;
const options = { name: "workspace_create", patienceMs: 50_000, signal: never };

/** Work that ends when the test says so */
function work() {
  const { promise, resolve, reject } = promiseWithResolvers<string>();
  const begun: AbortSignal[] = [];
  const start = (signal: AbortSignal) => {
    begun.push(signal);
    signal.addEventListener("abort", () => reject(new Error("cancelled")));
    return promise;
  };
  return { begun, start, resolve };
}

function promiseWithResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((onResolve, onReject) => {
    [resolve, reject] = [onResolve, onReject];
  });
  return { promise, resolve, reject };
}

/** A call whose caller is told to come again */
async function outlive(calls: LongCalls<string>, key: string, start: (signal: AbortSignal) => Promise<string>) {
  const first = calls.run(key, start, options).catch(() => {});
  await vi.advanceTimersByTimeAsync(options.patienceMs);
  await first;
}

test("a call that ends in time gives its result", async () => {
  const { start, resolve } = work();
  const result = new LongCalls<string>().run("key", start, options);
  resolve("done");
  expect(await result).toBe("done");
});

test("a call that outlives its caller's patience goes on, and the same call picks it up", async () => {
  const calls = new LongCalls<string>();
  const { begun, start, resolve } = work();
  const first = calls.run("key", start, options);
  const told = expect(first).rejects.toMatchObject({
    ...{ code: "timeout", message: "workspace_create has not ended after 50 s, and goes on" },
    hint: expect.stringContaining("same arguments"),
  });
  await vi.advanceTimersByTimeAsync(50_000);
  await told;
  expect(begun[0]?.aborted).toBe(false);
  const second = calls.run("key", start, options);
  resolve("done");
  expect(await second).toBe("done");
  expect(begun).toHaveLength(1);
});

test("a result that came in between waits, and is given once", async () => {
  const calls = new LongCalls<string>();
  const { begun, start, resolve } = work();
  await outlive(calls, "key", start);
  resolve("done");
  expect(await calls.run("key", start, options)).toBe("done");
  await calls.run("key", start, options);
  expect(begun).toHaveLength(2);
});

test("a result that nobody picks up is forgotten", async () => {
  const calls = new LongCalls<string>();
  const { begun, start, resolve } = work();
  await outlive(calls, "key", start);
  resolve("done");
  await vi.advanceTimersByTimeAsync(11 * 60_000);
  await calls.run("key", start, options);
  expect(begun).toHaveLength(2);
});

test("the same call at the same time is done twice", async () => {
  const calls = new LongCalls<string>();
  const { begun, start, resolve } = work();
  const both = [calls.run("key", start, options), calls.run("key", start, options)];
  resolve("done");
  await Promise.all(both);
  expect(begun).toHaveLength(2);
});

test("a cancelled call cancels its work, also when it was picked up", async () => {
  const calls = new LongCalls<string>();
  const { begun, start } = work();
  await outlive(calls, "key", start);
  const caller = new AbortController();
  const second = calls.run("key", start, { ...options, signal: caller.signal });
  caller.abort();
  await expect(second).rejects.toThrow("cancelled");
  expect(begun.map(({ aborted }) => aborted)).toEqual([true]);
});

test("the end cancels what goes on, waited for or not", async () => {
  const calls = new LongCalls<string>();
  const [left, waited] = [work(), work()];
  await outlive(calls, "left", left.start);
  const second = calls.run("waited", waited.start, options);
  const cancelled = expect(second).rejects.toThrow("cancelled");
  vi.useRealTimers();
  await calls.end(1_000);
  await cancelled;
  await setImmediate();
  expect([left.begun[0]?.aborted, waited.begun[0]?.aborted]).toEqual([true, true]);
});
