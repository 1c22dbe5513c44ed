import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resultOf } from "../helpers/cli.ts";
import { eventually } from "../helpers/processes.ts";
import type { Json } from "../helpers/surfaces.ts";
import type { Workbench } from "../helpers/workbench.ts";
import type { WorkspaceUnderTest } from "./workspace.ts";

const soonMs = 60_000;

/** What commands in a workspace do, from the command line to the agent. */
export function describeCommands(makeWorkspace: () => Promise<WorkspaceUnderTest>): void {
  let workspace: WorkspaceUnderTest;
  let bench: Workbench;
  let id: string;
  beforeAll(async () => {
    workspace = await makeWorkspace();
    ({ bench, workspaceId: id } = workspace);
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const exec = (words: readonly string[], options: { stdin?: string | Buffer } = {}) =>
    bench.run(["exec", id, ...words], options);
  const logs = async (): Promise<Json[]> => (await bench.json(["logs", id])).entries;
  const isRunning = (marker: string) => bench.isSleeping(id, marker);

  test("give their exit code, and each stream on its own", async () => {
    const result = await exec(["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result.stdout.toString()).toBe("out\n");
    expect(result.stderr).toMatch(
      /^err\n\[workspace-exec\] workspace_id=[0-9a-f]{12} sequence=1 cwd=\/workspace execution_mode=guest exit_code=7 duration_ms=\d+\n$/,
    );
    expect(result.exitCode).toBe(7);
  });

  test("get their arguments unchanged, whatever is in them", async () => {
    const words = ["", " a  b ", "naïve 文 🙂", "$HOME `id` \\ \"'", "--json", "-x", "line\nbreak", "*"];
    const result = await exec(["--", "sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh", ...words]);
    expect(result.stdout.toString().split("\0").slice(0, -1)).toEqual(words);
  });

  test("run where and with the variables that they are given, without `--` too", async () => {
    await bench.sh(id, "mkdir -p 'a dir/sub'");
    const words = [
      "--cwd",
      "a dir/sub",
      "--env",
      "ONE=1",
      "--env",
      "EMPTY=",
      "sh",
      "-c",
      'pwd; echo "$ONE-$EMPTY-"; env | grep -c ^EMPTY=',
    ];
    const result = await exec(words);
    expect(result.stdout.toString()).toBe("/workspace/a dir/sub\n1--\n1\n");
    expect(result.stderr).toContain(" cwd=/workspace/a dir/sub ");
    expect((await exec(["--cwd", "/tmp", "pwd"])).stdout.toString()).toBe("/tmp\n");
    expect((await logs()).at(-1)).toMatchObject({ cwd: "/tmp", command: ["pwd"] });
    const nowhere = await exec(["--cwd", "nowhere", "pwd"]);
    expect([nowhere.exitCode, nowhere.stdout.toString()]).toEqual([126, ""]);
    expect(nowhere.stderr).toContain("[error] ");
    expect((await exec(["--env", "=x", "--", "true"])).exitCode).toBe(125);
    await bench.sh(id, "rm -r 'a dir'");
  });

  test("read what is piped to them, byte for byte", async () => {
    const stdin = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251));
    const result = await exec(["--", "cat"], { stdin });
    expect(result.stdout.equals(stdin)).toBe(true);
  });

  test("have no input when none is given", async () => {
    expect((await exec(["--", "cat"])).exitCode).toBe(0);
  });

  test("are killed at the time limit, with everything that they started", async () => {
    const script = "setsid sleep 7071 & (sleep 7071 & sleep 7071) & echo begun; sleep 7071";
    const result = await exec(["--timeout-seconds", "2", "--", "sh", "-c", script]);
    expect(result.stdout.toString()).toBe("begun\n");
    expect(result.stderr).toContain("timed_out=true");
    expect(result.exitCode).toBe(124);
    expect(await isRunning("7071")).toBe(false);
  });

  test.each([
    ["that does not exist", "nope", 127],
    ["that cannot be executed", "/etc/passwd", 126],
  ])("for a program %s say so", async (_what, program, exitCode) => {
    const result = await exec(["--", program]);
    expect(result.stderr).toMatch(new RegExp(`^\\[error\\] cannot run '${program}': .+\\n\\[workspace-exec\\] `));
    expect(result.exitCode).toBe(exitCode);
  });

  test("that a signal ends give 128 and its number", async () => {
    expect((await exec(["--", "sh", "-c", "kill -SEGV $$"])).exitCode).toBe(139);
  });

  test("of two callers run side by side and are told apart", async () => {
    const before = (await logs()).length;
    // Each waits for the other: one after the other they would never end.
    const meet = (mine: string, other: string) =>
      exec(["--", "sh", "-c", `touch /tmp/${mine}; until [ -e /tmp/${other} ]; do sleep 0.1; done; echo ${mine}`]);
    const [first, second] = await Promise.all([meet("first", "second"), meet("second", "first")]);
    expect([first.stdout.toString(), second.stdout.toString()]).toEqual(["first\n", "second\n"]);
    const entries = (await logs()).slice(before);
    expect(entries.map(({ stdout }) => stdout).toSorted()).toEqual(["first\n", "second\n"]);
    expect(entries.map(({ sequence }) => sequence)).toEqual([before + 1, before + 2]);
  });

  test("whose output is long keep its beginning and its end", async () => {
    await exec(["--", "sh", "-c", "echo begin; head -c 6000000 /dev/zero | tr '\\0' x; echo; echo end"]);
    const last = (await logs()).at(-1);
    expect(last.truncated).toBe(true);
    expect(last.stdout).toMatch(/^begin\nx+\n\[… \d+ bytes are not kept …\]\nx+\nend\n$/);
  });

  test.each([
    ["in the middle of its output", "echo begun; sleep 7072", undefined],
    ["while its input is held up", "echo begun; sleep 7072", Buffer.alloc(32 * 1024 * 1024)],
  ])("are ended when the command line is killed %s, and the log has what they said", async (_when, script, stdin) => {
    const child = bench.start(["exec", id, "--timeout-seconds", "600", "--", "sh", "-c", script], {
      ...(stdin ? { stdin } : {}),
    });
    if (child.stdout) await once(child.stdout, "data");
    const { sequence } = (await logs()).at(-1);
    child.kill("SIGKILL");
    const ended = async () => (await logs()).find((entry) => entry.sequence === sequence)?.state !== "running";
    await eventually(ended, soonMs, "the command is recorded as ended");
    const entry = (await logs()).find((candidate) => candidate.sequence === sequence);
    expect(entry).toMatchObject({ cancelled: true, exit_code: null, stdout: "begun\n" });
    await eventually(async () => !(await isRunning("7072")), soonMs, "the command is gone from the guest");
  });

  test("are ended by a signal to the command line, also while their output is not read", async () => {
    const child = bench.start([
      "exec",
      id,
      "--timeout-seconds",
      "600",
      "--",
      "sh",
      "-c",
      "echo begun; yes; sleep 7073",
    ]);
    await eventually(async () => (await logs()).at(-1)?.stdout.startsWith("begun\n"), soonMs, "the command runs");
    const { sequence } = (await logs()).at(-1);
    const exit = once(child, "exit", { signal: AbortSignal.timeout(30_000) });
    child.kill("SIGTERM");
    try {
      expect(await exit).toEqual([143, null]);
    } finally {
      child.kill("SIGKILL");
    }
    const isRecorded = async () => (await logs()).find((entry) => entry.sequence === sequence)?.cancelled;
    await eventually(isRecorded, soonMs, "the command is recorded as cancelled");
  });

  test("are cut off by a stop, and the log has what they said", async () => {
    const child = bench.start(["exec", id, "--timeout-seconds", "600", "--", "sh", "-c", "echo begun; sleep 7074"]);
    const result = resultOf(child);
    if (child.stdout) await once(child.stdout, "data");
    await bench.output(["stop", id]);
    expect((await result).exitCode).not.toBe(0);
    expect((await logs()).at(-1)).toMatchObject({ stdout: "begun\n", command: expect.arrayContaining(["sh"]) });
    expect((await logs()).at(-1).state).not.toBe("running");
  });
}
