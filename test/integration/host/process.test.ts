import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { capture } from "../../../src/host/process.ts";
import { eventually } from "../../helpers/processes.ts";

test("capture returns what a program said and how it ended", async () => {
  await expect(capture(["sh", "-c", "echo out; echo err >&2; exit 3"], { timeoutMs: 10_000 })).resolves.toEqual({
    ...{ exitCode: 3, signal: null, stdout: "out\n", stderr: "err\n" },
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

async function isRunning(commandLine: string): Promise<boolean> {
  const child = spawn("pgrep", ["-xf", commandLine], { stdio: "ignore" });
  const [exitCode] = (await once(child, "exit")) as [number | null];
  return exitCode === 0;
}
