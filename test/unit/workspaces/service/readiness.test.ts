import { expect, test } from "vitest";
import type { Readiness } from "../../../../src/workspaces/record/service.ts";
import { LogMatcher } from "../../../../src/workspaces/service/log-matcher.ts";
import { type ProbeSubject, untilReady } from "../../../../src/workspaces/service/readiness.ts";

const noEnd = new AbortController().signal;
const log: Readiness = { type: "log", pattern: "up" };

/** A guest whose agent never answers. */
function silent(matcher = new LogMatcher("up")): ProbeSubject {
  const never = () => new Promise<never>(() => {});
  const machine = { agent: {}, exec: never } as unknown as ProbeSubject["machine"];
  return { machine, cwd: "/workspace", env: {}, log: matcher };
}

test("a guest that never answers is not waited for longer than the limit", async () => {
  const readiness: Readiness = { type: "command", command: "true" };
  const limits = { timeoutMs: 240, intervalMs: 10, signal: noEnd };
  expect(await untilReady(readiness, silent(), limits)).toMatchObject({
    isReady: false,
    lastFailure: "there was no answer in 0.2 s",
  });
});

test("the limit holds, whatever the pause between two tries is", async () => {
  const limits = { timeoutMs: 50, intervalMs: 60_000, signal: noEnd };
  expect(await untilReady(log, silent(), limits)).toMatchObject({
    isReady: false,
    lastFailure: "no line of its log has matched",
  });
});

test("a line that matches ends the pause", async () => {
  const matcher = new LogMatcher("^up$");
  const work = untilReady(log, silent(matcher), { timeoutMs: 60_000, intervalMs: 60_000, signal: noEnd });
  matcher.hear("stdout", Buffer.from("begin\nu"));
  matcher.hear("stderr", Buffer.from("p\n"));
  matcher.hear("stdout", Buffer.from("p\n"));
  expect(await work).toMatchObject({ isReady: true, lastFailure: null });
});

test("the end of the service ends the wait", async () => {
  const ender = new AbortController();
  const work = untilReady(log, silent(), { timeoutMs: 60_000, intervalMs: 60_000, signal: ender.signal });
  ender.abort();
  expect(await work).toMatchObject({ isReady: false });
});
