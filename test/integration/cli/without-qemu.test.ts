import { afterAll, beforeAll, expect, test } from "vitest";
import { pyro, TestCache } from "../../helpers/cli.ts";
import { SearchPath } from "../../helpers/search-path.ts";

let cache: TestCache;
let path: SearchPath;
const env = () => ({ ...cache.env, PATH: path.dir });

beforeAll(async () => {
  cache = await TestCache.create();
  path = await SearchPath.with("setpriv", "flock", "sh", "cat", "pwd", "sleep");
});
afterAll(async () => {
  await cache[Symbol.asyncDispose]();
  await path[Symbol.asyncDispose]();
});

test("doctor says what to install", async () => {
  const result = await pyro(["doctor"], { env: env() });
  expect(result.exitCode).toBe(1);
  expect(result.stdout.toString()).toContain("Runtime: FAIL\n");
  expect(result.stdout.toString()).toContain("vm_boot=no guest_exec=no");
  expect(result.stdout.toString()).toContain(
    "- cannot run virtual machines: qemu-system-x86_64 is not in PATH (Install QEMU: `apt-get install qemu-system-x86 qemu-utils`.)",
  );
});

test("run fails closed", async () => {
  const result = await pyro(["run", "debian:12", "--", "sh", "-c", "echo on the host"], { env: env() });
  expect(result.exitCode).toBe(125);
  expect(result.stdout.toString()).toBe("");
  expect(result.stderr).toMatch(/^\[error\] cannot run virtual machines: .*\n$/);
});

test("run --allow-host-compat runs on the host, and says so", async () => {
  const args = [
    "run",
    "debian:12",
    "--allow-host-compat",
    "--json",
    "--",
    "sh",
    "-c",
    "echo out; echo err >&2; exit 5",
  ];
  const result = await pyro(args, { env: env() });
  expect(result.exitCode).toBe(5);
  expect(result.json()).toMatchObject({
    execution_mode: "host_compat",
    isolation: null,
    exit_code: 5,
    stdout: "out\n",
    stderr: "err\n",
    host_compat_reason: expect.stringContaining("qemu-system-x86_64 is not in PATH"),
  });
});

test("host_compat keeps the time limit and reports a missing command", async () => {
  const late = await pyro(
    [
      "run",
      "debian:12",
      "--allow-host-compat",
      "--timeout-seconds",
      "0.3",
      "--json",
      "--",
      "sh",
      "-c",
      "sleep 60 & sleep 60",
    ],
    { env: env() },
  );
  expect(late.json()).toMatchObject({ exit_code: 124, timed_out: true });
  const missing = await pyro(["run", "debian:12", "--allow-host-compat", "--", "nope"], { env: env() });
  expect(missing.exitCode).toBe(127);
  expect(missing.stderr).toContain("[warning] this ran on the host, isolated from nothing");
});

test("--allow-host-compat does not excuse a mistake in the request", async () => {
  const result = await pyro(["run", "debian:99", "--allow-host-compat", "--", "sh", "-c", "echo no"], { env: env() });
  expect(result.exitCode).toBe(125);
  expect(result.stdout.toString()).toBe("");
});
