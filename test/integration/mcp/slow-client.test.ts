import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { TestCache } from "../../helpers/cli.ts";
import { MuteClient } from "../../helpers/mute-client.ts";
import { eventually, everyProcess, isRunning, killAll } from "../../helpers/processes.ts";
import { SearchPath } from "../../helpers/search-path.ts";

let cache: TestCache;
let path: SearchPath;
beforeAll(async () => {
  cache = await TestCache.create();
  path = await SearchPath.with("setpriv", "flock", "sh", "cat", "sleep");
});
afterAll(async () => {
  await cache[Symbol.asyncDispose]();
  await path[Symbol.asyncDispose]();
});

const soonMs = 45_000;
/** A client of a server without QEMU, which runs commands on the host. */
const connect = (reader?: string) =>
  new MuteClient({ ...cache.env, PATH: path.dir, PYRO_MCP_ALLOW_HOST_COMPAT: "1" }, reader);

/** Waits until a process takes and gives nothing more. */
async function isStuck(pid: number): Promise<boolean> {
  const traffic = () => readFile(`/proc/${pid}/io`, "utf8");
  const before = await traffic();
  await sleep(300);
  return before === (await traffic());
}

describe("a client that reads nothing, with a command that runs,", () => {
  const isGone = (child: ChildProcess) => once(child, "exit", { signal: AbortSignal.timeout(soonMs) });
  const begin = async (seconds: string, reader?: string) => {
    const client = connect(reader);
    onTestFinished(() => killAll(`sleep ${seconds}`));
    const environment = "debian:12";
    client.call(9999, "vm_run", {
      environment,
      command: `sleep ${seconds}`,
      allow_host_compat: true,
      timeout_seconds: 600,
    });
    await eventually(() => isRunning(`sleep ${seconds}`), soonMs, "the command runs");
    client.flood(300);
    await sleep(500);
    return client.child;
  };
  const isOver = (seconds: string) =>
    eventually(async () => !(await isRunning(`sleep ${seconds}`)), soonMs, "the command is gone");

  test("and closes the server's input, has gone", async () => {
    const child = await begin("7301.1");
    const exited = isGone(child);
    child.stdin?.end();
    expect(await exited).toEqual([0, null]);
    await isOver("7301.1");
  });

  test("and closes the server's output, has gone", async () => {
    const child = await begin("7301.2");
    const exited = isGone(child);
    child.stdout?.destroy();
    expect(await exited).toEqual([0, null]);
    await isOver("7301.2");
  });

  test("and closes input while a pipe keeps the output open, has gone", async () => {
    const child = await begin("7301.3", "sleep 7301.9");
    onTestFinished(() => killAll("sleep 7301.9"));
    child.stdin?.end();
    await isOver("7301.3");
    await eventually(async () => (await serverOf(child)) === undefined, soonMs, "the server is gone");
  });

  test("and dies while its input stays open, has gone", async () => {
    const child = await begin("7301.4", "sleep 7301.8");
    const exited = isGone(child);
    await killAll("sleep 7301.8");
    await exited;
    await isOver("7301.4");
  });

  test("and asks the server to end, is not waited for", async () => {
    const child = await begin("7301.5");
    const exited = isGone(child);
    child.kill("SIGTERM");
    await exited;
    await isOver("7301.5");
  });
});

/** The server that a child is, or has started. */
async function serverOf({ pid }: ChildProcess): Promise<number | undefined> {
  const found = (await everyProcess()).find(({ group, commandLine }) => group === pid && isServer(commandLine));
  return found?.pid;
}

function isServer(commandLine: string): boolean {
  return commandLine.startsWith(process.execPath) && commandLine.includes("mcp serve");
}

test.each([
  ["a socket", undefined],
  ["a pipe", "cat"],
])("a client that reads again, through %s, gets every answer once and whole", async (_what, reader) => {
  const count = 600;
  const client = connect(reader);
  const { child } = client;
  client.flood(count);
  await eventually(async () => (await serverOf(child)) !== undefined, soonMs, "the server is there");
  const pid = (await serverOf(child)) ?? 0;
  await eventually(() => isStuck(pid), soonMs, "the server waits for its reader");
  // All answers are some 25 MB, of which the server keeps a part.
  const [, peakKib] = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  expect(Number(peakKib)).toBeLessThan(400 * 1024);
  const ids: number[] = [];
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    ids.push((JSON.parse(line) as { id: number }).id);
    if (ids.length > count) break;
  }
  expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count + 1 }, (_, id) => id));
  const exited = once(child, "exit", { signal: AbortSignal.timeout(soonMs) });
  child.stdin?.end();
  await exited;
});
