import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { pyro, pyroPath, resultOf } from "../../helpers/cli.ts";
import { pyroInProcess } from "../../helpers/cli-in-process.ts";

test.each([
  [
    "an unknown environment",
    ["run", "debian:13", "--", "true"],
    "unknown environment 'debian:13': choose one of debian:12, debian:12-base, debian:12-build",
  ],
  ["an unknown environment to pull", ["env", "pull", "x"], "unknown environment 'x': choose one of debian:12"],
  [
    "an unknown environment to diagnose",
    ["doctor", "--environment", "x"],
    "unknown environment 'x': choose one of debian:12",
  ],
  ["an unknown environment to prepare", ["prepare", "x"], "unknown environment 'x': choose one of debian:12"],
  ["an unknown command", ["rum"], "unknown command 'rum'"],
  ["an unknown flag", ["run", "debian:12", "--memory", "1", "--", "true"], "unknown option '--memory'"],
  [
    "a number that is none",
    ["run", "debian:12", "--mem-mib", "lots", "--", "true"],
    "--mem-mib: 'lots' is not a number",
  ],
  ["a number out of range", ["run", "debian:12", "--mem-mib", "1", "--", "true"], "--mem-mib: it must be at least 256"],
  [
    "a fraction of a processor",
    ["run", "debian:12", "--vcpu-count", "1.5", "--", "true"],
    "--vcpu-count: it must be a whole number",
  ],
  ["no command", ["run", "debian:12"], "missing required argument 'command'"],
  ["a negative time", ["run", "debian:12", "--timeout-seconds=-1", "--", "true"], "--timeout-seconds: "],
])("%s is a usage error on one line", async (_what, args, message) => {
  const result = await pyroInProcess(args);
  expect(result.stderr).toContain(`[error] ${message}`);
  expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  // What could be taken for the exit code of a guest's command never is.
  expect(result.exitCode).toBe(args[0] === "run" ? 125 : 2);
  expect(result.stdout.toString()).toBe("");
});

test.each([
  ["PYRO_CACHE_DIR", "relative/path", "cannot use PYRO_CACHE_DIR='relative/path': it must be an absolute path"],
  ["HOME", "relative", "cannot use HOME='relative': it must be an absolute path"],
  ["PYRO_ACCELERATOR", "hvf", "cannot use PYRO_ACCELERATOR='hvf': choose one of auto, kvm, tcg"],
  ["PYRO_TEMPLATE_BUDGET_MIB", "none", "cannot use PYRO_TEMPLATE_BUDGET_MIB='none': it must be a positive number"],
])("a bad %s is a usage error on one line", async (name, value, message) => {
  const result = await pyroInProcess(["env", "list"], { env: { [name]: value } });
  expect(result.stderr).toBe(`[error] ${message}\n`);
  expect(result.exitCode).toBe(2);
});

test("with --json an error is one object on standard output", async () => {
  const result = await pyro(["run", "nope", "--json", "--", "true"]);
  expect(result.json()).toMatchObject({ ok: false, error: { code: "invalid_argument", retryable: false } });
  expect(result.stderr).toBe("");
  expect(result.exitCode).toBe(125);
});

test("a --json of the guest's does not change how errors are told", async () => {
  const result = await pyroInProcess(["run", "--nope", "--", "true", "--json"]);
  expect(result.stderr).toMatch(/^\[error\] unknown option '--nope'/);
  expect(result.stdout.toString()).toBe("");
});

test("an argument that is not UTF-8 is refused, not altered", async () => {
  const run = (bytes: string) =>
    resultOf(spawn("sh", ["-c", `exec "$0" "$1" run nope -- "$(printf '${bytes}')"`, process.execPath, pyroPath]));
  const refused = await run("caf\\351");
  expect(refused.stderr).toMatch(/^\[error\] cannot pass on the argument 'caf\uFFFD': it is not UTF-8 text/);
  expect(refused.exitCode).toBe(125);
  const typed = await run("\\357\\277\\275");
  expect(typed.stderr).toContain("unknown environment 'nope'");
});

test("output that cannot be written is an error", async () => {
  const result = await resultOf(spawn("sh", ["-c", `exec "$0" "$1" env list > /dev/full`, process.execPath, pyroPath]));
  expect(result.stderr).toMatch(/^\[error\] cannot write the output: ENOSPC.*\n$/);
  expect(result.exitCode).toBe(1);
});

test.each([[[]], [["env"]]])("a missing command after 'pyro %s' shows the help as a usage error", async (args) => {
  const result = await pyroInProcess(args);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toMatch(/^Usage: pyro/);
  expect(result.stderr).not.toContain("[error]");
  expect(result.stdout.toString()).toBe("");
});

test("help shows the default of an argument", async () => {
  expect((await pyroInProcess(["prepare", "--help"])).stdout.toString()).toContain("(default: debian:12)");
});

test.each([
  [["--help"]],
  [["run", "--help"]],
  [["env", "--help"]],
  [["env", "pull", "--help"]],
  [["doctor", "--help"]],
  [["prepare", "--help"]],
])("%s explains itself", async (args) => {
  const result = await pyroInProcess(args);
  expect(result.exitCode).toBe(0);
  expect(result.stdout.toString()).toMatch(/^Usage: pyro/);
});

test("prints its version", async () => {
  expect((await pyro(["--version"])).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
});
