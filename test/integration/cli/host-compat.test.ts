import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { pyro, pyroPath, resultOf, startPyro, TestCache } from "../../helpers/cli.ts";
import { eventually, isRunning, killAll, pidsOf } from "../../helpers/processes.ts";
import { SearchPath } from "../../helpers/search-path.ts";

/**
 * Without QEMU every command runs on the host, which also shows how the command line treats
 * commands without a machine.
 */
let cache: TestCache;
let path: SearchPath;
const env = () => ({ ...cache.env, PATH: path.dir });
const onHost = (command: readonly string[], flags: readonly string[] = []) => [
  ...["run", "debian:12", "--allow-host-compat", ...flags, "--", ...command],
];

beforeAll(async () => {
  cache = await TestCache.create();
  path = await SearchPath.with("setpriv", "flock", "sh", "cat", "sleep", "setsid", "yes", "head");
});
afterAll(async () => {
  await cache[Symbol.asyncDispose]();
  await path[Symbol.asyncDispose]();
});

test.each([
  ["a missing command", "nope", 127, "cannot run 'nope': command not found"],
  ["a missing file", "./nope", 127, "cannot run './nope': command not found"],
  ["a command without a name", "", 127, "cannot run '': command not found"],
  ["a file that is no program", "/etc/passwd", 126, "cannot run '/etc/passwd': it is not an executable file"],
  ["a folder", "/", 126, "cannot run '/': it is not an executable file"],
])("%s is reported as by a shell", async (_what, command, exitCode, startError) => {
  const result = await pyro(onHost([command], ["--json"]), { env: env() });
  expect(result.json()).toMatchObject({ exit_code: exitCode, start_error: startError, stderr: "" });
  expect(result.exitCode).toBe(exitCode);
});

test("the command's input, output and ending are its own", async () => {
  const result = await pyro(onHost(["sh", "-c", "cat; kill -TERM $$"]), { env: env(), stdin: "typed" });
  expect(result.stdout.toString()).toBe("typed");
  expect(result.exitCode).toBe(143);
});

test("a process that escapes does not hold up the command's end", async () => {
  onTestFinished(() => killAll("sleep 79.5"));
  const script = "setsid sleep 79.5 & sleep 0.5; echo hi";
  const result = await pyro(onHost(["sh", "-c", script], ["--timeout-seconds", "60", "--json"]), { env: env() });
  expect(result.json()).toMatchObject({ exit_code: 0, stdout: "hi\n", timed_out: false });
  expect(await isRunning("sleep 79.5")).toBe(true);
});

test("the command goes when pyro is killed", async () => {
  // The command's folder stays behind.
  const child = startPyro(onHost(["sleep", "78.1"]), { env: { ...env(), TMPDIR: cache.dir } });
  await eventually(() => isRunning("sleep 78.1"), 10_000, "the command runs");
  child.kill("SIGKILL");
  await eventually(async () => !(await isRunning("sleep 78.1")), 5_000, "the command is gone");
});

test("SIGTERM ends pyro although its output is not read", async () => {
  const child = startPyro(onHost(["yes", "78.3"], ["--timeout-seconds", "60"]), { env: env() });
  await eventually(() => isBlockedWriting("yes 78.3"), 10_000, "the command waits for its reader");
  child.kill("SIGTERM");
  const [exitCode] = (await once(child, "exit", { signal: AbortSignal.timeout(5_000) })) as [number | null];
  expect(exitCode).toBe(143);
});

test("a reader that stops and then goes ends pyro, and the command", async () => {
  const child = startPyro(onHost(["yes", "78.4"], ["--timeout-seconds", "60"]), { env: env() });
  await eventually(() => isBlockedWriting("yes 78.4"), 10_000, "the command waits for its reader");
  child.stdout?.destroy();
  const [exitCode] = (await once(child, "exit", { signal: AbortSignal.timeout(10_000) })) as [number | null];
  expect(exitCode).toBe(141);
  await eventually(async () => !(await isRunning("yes 78.4")), 5_000, "the command is gone");
});

test("SIGINT ends the wait for a text on standard input", async () => {
  const words = ["workspace", "file", "write", "0a1b2c3d4e5f", "a", "--text-file", "-"];
  const child = spawn(process.execPath, [pyroPath, ...words], { env: { ...process.env, ...env() } });
  // More than the kernel holds: it is over when pyro reads.
  await new Promise((resolve) => child.stdin.write("x".repeat(1 << 20), resolve));
  child.kill("SIGINT");
  const [exitCode] = (await once(child, "exit", { signal: AbortSignal.timeout(10_000) })) as [number | null];
  expect(exitCode).toBe(130);
});

test("with --json a signal is told as an error too", async () => {
  const child = startPyro(onHost(["sleep", "78.2"], ["--timeout-seconds", "60", "--json"]), { env: env() });
  await eventually(() => isRunning("sleep 78.2"), 10_000, "the command runs");
  child.kill("SIGINT");
  const result = await resultOf(child);
  expect(result.json()).toMatchObject({ ok: false, error: { code: "cancelled" } });
  expect(result.exitCode).toBe(130);
});

test("a slow reader gets everything, and no warnings", async () => {
  const bytes = 5_000_000;
  const child = startPyro(onHost(["head", "-c", String(bytes), "/dev/zero"]), { env: env() });
  const stderr: Buffer[] = [];
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  let received = 0;
  for await (const chunk of child.stdout ?? []) {
    received += (chunk as Buffer).length;
    await setTimeout(5);
  }
  expect(received).toBe(bytes);
  expect(Buffer.concat(stderr).toString()).not.toContain("MaxListenersExceededWarning");
});

test("a reader that leaves early is no fault of ours", async () => {
  const child = startPyro(onHost(["head", "-c", "1000000", "/dev/zero"], ["--json"]), { env: env() });
  const stderr: Buffer[] = [];
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdout?.once("data", () => child.stdout?.destroy());
  await once(child, "close");
  expect(Buffer.concat(stderr).toString()).toBe("");
});

/** Whether a process is there and writes nothing more. */
async function isBlockedWriting(commandLine: string): Promise<boolean> {
  const written = async () => {
    const [pid] = await pidsOf(commandLine);
    return pid === undefined ? "" : await readFile(`/proc/${pid}/io`, "utf8").catch(() => "");
  };
  const before = await written();
  await setTimeout(50);
  return /^wchar: [1-9]/m.test(before) && before === (await written());
}
