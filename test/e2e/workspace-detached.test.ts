import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { composeEngineContext } from "../../src/compose.ts";
import { invoke } from "../../src/operations/operation.ts";
import { workspaceExec } from "../../src/workspaces/command/exec-operation.ts";
import { eventually, isConnected, killIfThere } from "../helpers/processes.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const soonMs = 60_000;
const callerPath = fileURLToPath(new URL("../helpers/detaching-caller.ts", import.meta.url));

describeWithVm("a command that is left running", () => {
  let bench: Workbench;
  let id: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    id = await bench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  /** What a surface gets that leaves commands running after a while. */
  const exec = (command: string, { detachAfterMs = 300, killAfterSeconds = 600, keptOutputBytes = 1000 } = {}) =>
    invoke(
      workspaceExec,
      { engine: composeEngineContext({ ...process.env, ...bench.env }), detachAfterMs, keptOutputBytes },
      { workspaceId: id, command, killAfterSeconds },
    );
  const entryOf = async (sequence: number, ...flags: readonly string[]): Promise<Json> => {
    const { count, entries } = await bench.json(["logs", id, "--sequence", `${sequence}`, ...flags]);
    expect(count).toBe(1);
    return entries[0];
  };
  const ended = (sequence: number, ...flags: readonly string[]) => entryOf(sequence, "--wait-seconds", "60", ...flags);
  const isRunning = (marker: string) => bench.isSleeping(id, marker);
  /** A process that begins a command; what it says of it. */
  const startCaller = (
    detachAfterMs: number,
    command: string,
  ): { child: ChildProcess; lines: AsyncIterator<string> } => {
    const words = ["--import", "tsx", callerPath, id, `${detachAfterMs}`, "600", command];
    const child = spawn(process.execPath, words, {
      env: { ...process.env, ...bench.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  };
  const waitInside = (name: string) => `until [ -e /tmp/${name} ]; do sleep 0.1; done`;
  const release = (name: string) => bench.sh(id, 'touch "/tmp/$1"', name);

  test("outlives the process that began it, even one that is killed", async () => {
    const { child, lines } = startCaller(1_000, `echo begun; ${waitInside("one")}; echo done; exit 7`);
    expect((await lines.next()).value).toBe("begins");
    const result = JSON.parse((await lines.next()).value);
    expect(result).toMatchObject({ running: true, exitCode: null, stdout: "begun\n", stdoutBytes: 6, timedOut: false });
    expect(result.durationMs).toBeGreaterThan(900);
    child.kill("SIGKILL");
    await once(child, "exit");
    const { sequence } = result;
    expect(await entryOf(sequence)).toMatchObject({ state: "running", exit_code: null, stdout: "begun\n" });
    expect((await bench.json(["status", id])).last_command).toMatchObject({ sequence, exit_code: null });
    expect((await bench.json(["summary", id])).commands.recent[0]).toMatchObject({ sequence, exit_code: null });
    expect(await bench.output(["summary", id])).toContain("still running");
    const waiting = [ended(sequence), ended(sequence)];
    await release("one");
    for (const entry of await Promise.all(waiting)) {
      expect(entry).toMatchObject({ state: "ended", exit_code: 7, stdout: "begun\ndone\n", cancelled: false });
    }
    // Another command has come after it.
    expect((await bench.json(["status", id])).last_command).toMatchObject({ sequence: sequence + 1, exit_code: 0 });
  });

  test("would have been ended with a caller that goes earlier", async () => {
    const { child, lines } = startCaller(600_000, "echo begun; sleep 7091");
    await lines.next();
    const isBegun = async () => (await bench.json(["logs", id])).entries.at(-1).stdout === "begun\n";
    await eventually(isBegun, soonMs, "the command runs");
    child.kill("SIGKILL");
    const { entries } = await bench.json(["logs", id, "--wait-seconds", "60"]);
    expect(entries.at(-1)).toMatchObject({ state: "unknown", cancelled: true, stdout: "begun\n" });
    await eventually(async () => !(await isRunning("7091")), soonMs, "the command is gone from the guest");
  });

  test("is ended at its time limit, with everything that it started", async () => {
    const { running, sequence } = await exec("sleep 7092 & echo begun; sleep 7092", { killAfterSeconds: 3 });
    expect(running).toBe(true);
    expect(await isRunning("7092")).toBe(true);
    expect(await ended(sequence)).toMatchObject({ state: "ended", exit_code: 124, timed_out: true, stdout: "begun\n" });
    expect(await isRunning("7092")).toBe(false);
  });

  test("is waited for no longer than was asked", async () => {
    const { sequence } = await exec(waitInside("two"));
    const startedMs = performance.now();
    expect(await entryOf(sequence, "--wait-seconds", "1")).toMatchObject({ state: "running" });
    expect(performance.now() - startedMs).toBeGreaterThan(1_000);
    const waiting = bench.start(["logs", id, "--wait-seconds", "600"]);
    await eventually(() => isConnected(waiting.pid ?? 0), soonMs, "it waits at the supervisor");
    waiting.kill("SIGTERM");
    expect((await once(waiting, "exit"))[0]).toBe(143);
    expect(await entryOf(sequence)).toMatchObject({ state: "running" });
    await release("two");
    expect(await ended(sequence)).toMatchObject({ state: "ended", exit_code: 0 });
  });

  test("has what it prints drained and kept, and shows it page by page", async () => {
    const script = `${waitInside("three")}; i=0; while [ $i -lt 12000 ]; do echo "line $i: 文字 🙂"; i=$((i + 1)); done`;
    const { sequence } = await exec(script);
    await release("three");
    const whole = (await ended(sequence)).stdout as string;
    expect(whole).toBe(Array.from({ length: 12_000 }, (_, index) => `line ${index}: 文字 🙂\n`).join(""));
    let text = "";
    for (let offset: number | null = 0; offset !== null; ) {
      const page: Json = await entryOf(sequence, "--offset", `${offset}`, "--max-bytes", "65536", "--stream", "stdout");
      expect(page).toMatchObject({ stdout_encoding: "utf-8", stdout_bytes: Buffer.byteLength(whole), stderr: "" });
      expect(Buffer.byteLength(page.stdout)).toBeLessThanOrEqual(65_536);
      text += page.stdout;
      offset = page.stdout_next_offset;
    }
    expect(text).toBe(whole);
    const human = await bench.run(["logs", id, "--sequence", `${sequence}`, "--max-bytes", "100"]);
    expect(human.stdout.toString()).toMatch(/^\[workspace-log\] sequence=\d+ .* stdout_next_offset=\d+\n/);
  });

  test("may print far more than is kept, without a listener", async () => {
    const { sequence } = await exec(`${waitInside("four")}; seq 2700000; echo end`);
    await release("four");
    const first = await ended(sequence, "--max-bytes", "1000000");
    expect(first).toMatchObject({ exit_code: 0, truncated: false, stdout_next_offset: 1_000_000 });
    expect(first.stdout_bytes).toBeGreaterThan(20_000_000);
    // What is kept of the beginning ends there, and the next page is about what is not kept.
    const second = await entryOf(sequence, "--offset", "1000000", "--max-bytes", "1000000");
    expect(second).toMatchObject({ truncated: false, stdout_offset: 1_000_000, stdout_next_offset: 1024 ** 2 });
    expect(second.stdout).toHaveLength(1024 ** 2 - 1_000_000);
    const third = await entryOf(sequence, "--offset", `${1024 ** 2}`, "--max-bytes", "1000000");
    const missingBytes = third.stdout_next_offset - 1024 ** 2;
    expect(third).toMatchObject({ truncated: true, stdout: `\n[… ${missingBytes} bytes are not kept …]\n` });
    const last = await entryOf(sequence, "--offset", `${first.stdout_bytes - 12}`);
    expect(last).toMatchObject({ stdout: "2700000\nend\n", stdout_next_offset: null, truncated: false });
  });

  test("shows both ends of what it printed until then, as much as the caller wants", async () => {
    const result = await exec("seq 100000; sleep 1", { detachAfterMs: 60_000, keptOutputBytes: 1000 });
    expect(result).toMatchObject({ running: false, exitCode: 0, truncated: true, stdoutBytes: 588_895 });
    expect(result.stdout).toMatch(/^1\n2\n3\n[\d\n]+\n\[… 587895 bytes left out …\]\n[\d\n]+\n99999\n100000\n$/);
  });

  test("is not there under another number, or after a reset", async () => {
    expect(await bench.cli.refusal("workspace.logs", { workspaceId: id, sequence: 999 })).toMatchObject({
      code: "not_found",
      message: `there is no command 999 in the history of workspace '${id}'`,
      hint: expect.stringContaining("without a sequence"),
    });
    const { sequence } = await exec("sleep 7093");
    const waiting = bench.cli.refusal("workspace.logs", { workspaceId: id, sequence, waitSeconds: 600 });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await bench.output(["reset", id]);
    expect(await waiting).toMatchObject({ code: "not_found" });
    expect(await bench.json(["logs", id, "--wait-seconds", "600"])).toMatchObject({ count: 0 });
    expect((await bench.json(["status", id])).last_command).toBeNull();
  });

  test("ends with a stop, which the history says", async () => {
    const { sequence } = await exec("echo begun; sleep 7094");
    const waiting = ended(sequence);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await bench.output(["stop", id]);
    const entry = {
      state: "unknown",
      exit_code: null,
      stdout: "begun\n",
      unknown_reason: expect.stringContaining("stop"),
    };
    expect(await waiting).toMatchObject(entry);
    expect(await ended(sequence)).toMatchObject(entry);
    await bench.output(["start", id]);
    expect(await isRunning("7094")).toBe(false);
  });

  test("is of unknown outcome when its supervisor dies", async () => {
    const { sequence } = await exec("echo begun; sleep 7095");
    const waiting = ended(sequence);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const { pid, commandLine } of await bench.processes()) {
      if (commandLine.includes("supervisor.js") && !commandLine.startsWith("sh ")) killIfThere(pid);
    }
    expect(await waiting).toMatchObject({ state: "unknown", exit_code: null, stdout: "begun\n" });
    expect(await bench.json(["status", id])).toMatchObject({ state: "failed" });
    await bench.output(["start", id]);
  });

  test("goes when the workspace is deleted", async () => {
    const { sequence } = await exec("sleep 7096");
    const waiting = bench.run(["logs", id, "--sequence", `${sequence}`, "--wait-seconds", "600", "--json"]);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await bench.output(["delete", id]);
    const answer: Json = (await waiting).json();
    // A fast caller still sees the end of its history.
    if (answer.entries) expect(answer.entries[0]).toMatchObject({ state: "unknown", exit_code: null });
    else expect(answer.error).toMatchObject({ code: "not_found" });
    expect(await bench.leftovers()).toEqual([]);
    expect(await bench.processes()).toEqual([]);
  });
});
