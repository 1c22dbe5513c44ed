import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { capture } from "../../../src/host/process.ts";
import { eventually, isRunning, killAll } from "../../helpers/processes.ts";

test("capture returns what a program said and how it ended", async () => {
  await expect(capture(["sh", "-c", "echo out; echo err >&2; exit 3"], { timeoutMs: 10_000 })).resolves.toEqual({
    exitCode: 3,
    signal: null,
    stdout: "out\n",
    stderr: "err\n",
  });
});

test("capture hands over lines of standard error as they come", async () => {
  const lines: string[] = [];
  await capture(["sh", "-c", "printf 'a\\nb' >&2; echo c >&2"], {
    timeoutMs: 10_000,
    onStderrLine: (line) => lines.push(line),
  });
  expect(lines).toEqual(["a", "bc"]);
});

test("capture ends a program, its children included, at the deadline", async () => {
  const work = capture(["sh", "-c", "sleep 77.1 & sleep 77.1"], { timeoutMs: 300 });
  await expect(work).rejects.toMatchObject({ code: "timeout" });
  await eventually(async () => !(await isRunning("sleep 77.1")), 5_000, "the sleeps are gone");
});

test("capture ends a program when it is cancelled", async () => {
  const controller = new AbortController();
  const work = capture(["sleep", "77.2"], { timeoutMs: 60_000, signal: controller.signal });
  controller.abort();
  await expect(work).rejects.toMatchObject({ code: "cancelled" });
});

test("capture settles although a descendant that left the group holds the pipes", async () => {
  onTestFinished(() => killAll("sleep 79.4"));
  const work = capture(["sh", "-c", "setsid sleep 79.4 & sleep 77.4"], { timeoutMs: 500 });
  await expect(work).rejects.toMatchObject({ code: "timeout" });
  expect(await isRunning("sleep 79.4")).toBe(true);
});

test("what a program leaves in its group goes with it", async () => {
  await capture(["sh", "-c", "sleep 77.5 >/dev/null 2>&1 &"], { timeoutMs: 10_000 });
  await eventually(async () => !(await isRunning("sleep 77.5")), 5_000, "the sleep is gone");
});

test("capture kills a program that does not end when told to, and signals nothing after its end", async () => {
  const kill = vi.spyOn(process, "kill");
  onTestFinished(() => kill.mockRestore());
  const stubborn = capture(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], { timeoutMs: 300 });
  const obedient = capture(["sleep", "77.7"], { timeoutMs: 300 });
  await expect(obedient).rejects.toMatchObject({ code: "timeout" });
  const obedientGroup = kill.mock.calls.at(-1)?.[0];
  const signalled = () => kill.mock.calls.filter(([group]) => group === obedientGroup);
  const before = signalled().length;
  await expect(stubborn).rejects.toMatchObject({ code: "timeout" });
  expect(kill.mock.calls.some(([group, signal]) => group !== obedientGroup && signal === "SIGKILL")).toBe(true);
  expect(signalled()).toHaveLength(before);
});

test("a program that does not exist is an ending like in a shell", async () => {
  await expect(capture(["no-such-program"], { timeoutMs: 10_000 })).resolves.toMatchObject({ exitCode: 127 });
});

test("what is tied to a process dies with it, even when that is killed", async () => {
  const script = `
    import { spawnTied } from "./src/host/process.ts";
    spawnTied(["sleep", "77.3"], "KILL", { stdio: "ignore" });
    setInterval(() => {}, 1000);
  `;
  const owner = spawn("npx", ["tsx", "--eval", script, "--input-type=module"], { stdio: "ignore", detached: true });
  await eventually(() => isRunning("sleep 77.3"), 20_000, "the tied process runs");
  if (owner.pid !== undefined) process.kill(-owner.pid, "SIGKILL");
  await once(owner, "exit");
  await eventually(async () => !(await isRunning("sleep 77.3")), 5_000, "the tied process is gone");
});
