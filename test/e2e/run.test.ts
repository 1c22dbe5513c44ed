import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pyro, TestCache } from "../helpers/cli.ts";
import { copySharedTemplates } from "../helpers/templates.ts";
import { describeWithVm } from "../helpers/vm.ts";

describeWithVm("pyro run", () => {
  let cache: TestCache;
  const run = (argv: readonly string[], flags: readonly string[] = [], stdin?: Buffer) =>
    pyro(["run", "debian:12", ...flags, "--", ...argv], { env: cache.env, ...(stdin ? { stdin } : {}) });

  beforeAll(async () => {
    cache = await TestCache.create();
    copySharedTemplates(cache);
    const prepared = await pyro(["prepare", "debian:12"], { env: cache.env });
    expect(prepared.stderr + prepared.stdout).toContain("prepared=true");
  });
  afterAll(() => cache[Symbol.asyncDispose]());

  test("prints what the command prints and exits as it does", async () => {
    const result = await run(["git", "--version"]);
    expect(result.stdout.toString()).toMatch(/^git version \d/);
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toMatch(/^\[run\] environment=debian:12 execution_mode=guest exit_code=0 duration_ms=\d+\n$/);
  });

  test("has what a Python project needs to be tested offline", async () => {
    const script = "make --version && python3 -m venv --without-pip /tmp/v && /tmp/v/bin/python -c 'import ensurepip'";
    const imports = "python3 -c 'import setuptools, pip, pytest; print(pytest.__version__)'";
    const result = await run(["sh", "-c", `${script} && ${imports}`], ["--timeout-seconds", "120"]);
    expect(result.stdout.toString()).toMatch(/^GNU Make [\s\S]*\n7\.\d+\.\d+\n$/);
  });

  test("passes an exit code on", async () => {
    expect((await run(["sh", "-c", "exit 7"])).exitCode).toBe(7);
  });

  test("answers 127 and a clear line when there is no such command", async () => {
    const result = await run(["no-such-command", "x"]);
    expect(result.exitCode).toBe(127);
    expect(result.stderr).toContain("[error] cannot run 'no-such-command': command not found\n");
  });

  test("answers 126 when a command cannot be executed", async () => {
    const result = await run(["/etc/passwd"]);
    expect(result.exitCode).toBe(126);
    expect(result.stderr).toContain("[error] cannot run '/etc/passwd': permission denied\n");
  });

  test("reports the signal that killed a command", async () => {
    const result = await run(["sh", "-c", "kill -KILL $$"], ["--json"]);
    expect(result.json()).toMatchObject({ exit_code: 137, signal: "SIGKILL", timed_out: false });
  });

  test("kills the whole tree at the time limit and returns what was printed", async () => {
    const script = "echo before; setsid sh -c 'sleep 300 & sleep 300' & sleep 300";
    const result = await run(["sh", "-c", script], ["--timeout-seconds", "2", "--json"]);
    expect(result.json()).toMatchObject({ exit_code: 124, timed_out: true, stdout: "before\n" });
    expect(result.exitCode).toBe(124);
  });

  test("says on standard error that the time was up", async () => {
    const result = await run(["sleep", "300"], ["--timeout-seconds", "1"]);
    expect(result.exitCode).toBe(124);
    expect(result.stderr).toContain("timed_out=true");
  });

  test("delivers every argument unchanged", async () => {
    const argv = [
      "a b",
      'quo"te',
      "it's",
      "two\nlines",
      "$HOME `id` $(id) \\n",
      "",
      "*",
      "ünïcödé",
      "-x",
      "--",
      "x".repeat(100_000),
    ];
    const result = await run(["printf", "%s\\0", ...argv]);
    expect(result.stdout.toString().split("\0").slice(0, -1)).toEqual(argv);
  });

  test("delivers 50 MB of binary output whole", async () => {
    const script =
      "import sys,hashlib\nh=hashlib.sha256()\nfor i in range(50):\n b=bytes([(i*7+j*13)%256 for j in range(1000)])*1000\n h.update(b); sys.stdout.buffer.write(b)\nprint(h.hexdigest(),file=sys.stderr)";
    const result = await run(["python3", "-c", script], ["--timeout-seconds", "100"]);
    expect(result.stdout.length).toBe(50_000_000);
    expect(result.stderr).toContain(createHash("sha256").update(result.stdout).digest("hex"));
  });

  test("returns bytes that are not text as base64", async () => {
    const result = await run(["printf", "\\377\\000\\376"], ["--json"]);
    expect(result.json()).toMatchObject({
      stdout: Buffer.from([0xff, 0, 0xfe]).toString("base64"),
      stdout_encoding: "base64",
    });
  });

  test("keeps both streams whole when they are interleaved", async () => {
    const result = await run(
      ["sh", "-c", "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"],
      ["--json"],
    );
    const lines = (name: string) => Array.from({ length: 500 }, (_, i) => `${name} ${i}\n`).join("");
    expect(result.json()).toMatchObject({ stdout: lines("out"), stderr: lines("err") });
  });

  test("feeds standard input to the command", async () => {
    const input = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 31) % 256));
    const result = await run(["sha256sum"], [], input);
    expect(result.stdout.toString()).toContain(createHash("sha256").update(input).digest("hex"));
  });

  test("does not mind input that is not read", async () => {
    expect((await run(["true"], [], Buffer.alloc(5_000_000))).exitCode).toBe(0);
  });

  test("lets a background process outlive the command without waiting for it", async () => {
    const result = await run(["sh", "-c", "sleep 20 & echo done"], ["--timeout-seconds", "10"]);
    expect(result.stdout.toString()).toBe("done\n");
    expect(result.exitCode).toBe(0);
  });

  test("gives the machine the size that was asked for", async () => {
    const result = await run(
      ["sh", "-c", "nproc; grep MemTotal /proc/meminfo"],
      ["--vcpu-count", "2", "--mem-mib", "512"],
    );
    const [processors, memory] = result.stdout.toString().split("\n");
    expect(processors).toBe("2");
    expect(Number(/\d+/.exec(memory ?? "")?.[0])).toBeLessThan(512 * 1024);
  });

  test("leaves the guest offline", async () => {
    const result = await run(["sh", "-c", "ls /sys/class/net; curl -sS http://example.com/; echo $?"]);
    expect(result.stdout.toString()).toBe("lo\n6\n");
    expect(result.stderr).toContain(
      "[network] denied example.com (curl): network policy is off; to allow it: --network\n",
    );
  });

  test("runs the command as root of a machine that is its own", async () => {
    const result = await run([
      "sh",
      "-c",
      "id -u; cat /proc/1/comm; test -w /workspace && echo writable; df --output=size -B1G / | tail -1",
    ]);
    const [uid, , writable, rootGib] = result.stdout.toString().split("\n");
    expect([uid, writable]).toEqual(["0", "writable"]);
    expect(Number(rootGib)).toBeGreaterThanOrEqual(15);
  });
});
