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
const options = { name: "workspace_create", patienceMs: 50_000, signal: never, onProgress: () => {}, goesOn: true };

/** Work that ends when the test says so */
function work() {
  const { promise, resolve, reject } = promiseWithResolvers<string>();
  const begun: AbortSignal[] = [];
  const hasTidied: boolean[] = [];
  const start = (signal: AbortSignal) => {
    begun.push(signal);
    // It has something to tidy up.
    signal.addEventListener("abort", async () => {
      await setImmediate();
      hasTidied.push(true);
      reject(new Error("cancelled"));
    });
    return promise;
  };
  return { begun, hasTidied, start, resolve };
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
    code: "timeout",
    message: "workspace_create has not ended after 50 s, and goes on",
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

test("a result that no client picks up is forgotten", async () => {
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

test("each of two equal calls that were left is picked up once", async () => {
  const calls = new LongCalls<string>();
  const [one, two] = [work(), work()];
  await Promise.all([outlive(calls, "key", one.start), outlive(calls, "key", two.start)]);
  one.resolve("one");
  two.resolve("two");
  const again = [calls.run("key", one.start, options), calls.run("key", one.start, options)];
  expect(await Promise.all(again)).toEqual(["one", "two"]);
  expect([one.begun, two.begun].map(({ length }) => length)).toEqual([1, 1]);
});

test("what only reads is not left: it is given up, and read anew", async () => {
  const calls = new LongCalls<string>();
  const { begun, start } = work();
  const reading = calls.run("key", start, { ...options, goesOn: false });
  const told = expect(reading).rejects.toMatchObject({
    message: "workspace_create has not ended after 50 s, and was given up",
  });
  await vi.advanceTimersByTimeAsync(50_000);
  await told;
  expect(begun.map(({ aborted }) => aborted)).toEqual([true]);
  calls.run("key", start, options).catch(() => {});
  expect(begun).toHaveLength(2);
});

test("progress goes to the client that waits, and to no other", async () => {
  const calls = new LongCalls<string>();
  const told: string[] = [];
  const listener =
    (name: string) =>
    ({ phase }: { phase: string }) =>
      told.push(`${name}: ${phase}`);
  let tell: (phase: "download" | "install" | "done") => void = () => {};
  const { promise, resolve } = promiseWithResolvers<string>();
  const start = (_: AbortSignal, onProgress: Parameters<Parameters<typeof calls.run>[1]>[1]) => {
    tell = (phase) => onProgress({ phase, environment: "debian:12" } as Parameters<typeof onProgress>[0]);
    return promise;
  };
  const first = calls.run("key", start, { ...options, onProgress: listener("first") }).catch(() => {});
  tell("download");
  await vi.advanceTimersByTimeAsync(50_000);
  await first;
  tell("install");
  const second = calls.run("key", start, { ...options, onProgress: listener("second") });
  tell("done");
  resolve("made");
  await second;
  expect(told).toEqual(["first: download", "second: done"]);
});

test("the end cancels what goes on, waited for or not", async () => {
  const calls = new LongCalls<string>();
  const [left, waited] = [work(), work()];
  await outlive(calls, "left", left.start);
  const second = calls.run("waited", waited.start, options);
  const cancelled = expect(second).rejects.toThrow("cancelled");
  vi.useRealTimers();
  await calls.end(1_000);
  expect([left.hasTidied, waited.hasTidied]).toEqual([[true], [true]]);
  await cancelled;
});
