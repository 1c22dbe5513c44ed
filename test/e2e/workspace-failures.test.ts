import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pyroPath, resultOf } from "../helpers/cli.ts";
import { eventually, killIfThere, virtualMachinesOf } from "../helpers/processes.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const soonMs = 60_000;

describeWithVm("a workspace survives", () => {
  let bench: Workbench;
  let id: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    id = await bench.create();
    await bench.output(["file", "write", id, "acknowledged.txt", "--text", "by a write\n"]);
    await bench.sh(id, "echo by a command > by-command.txt");
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const status = (): Promise<Json> => bench.json(["status", id]);
  const lastLog = async (): Promise<Json> => (await bench.json(["logs", id])).entries.at(-1);
  const isFailed = async () => (await status()).state === "failed";
  const supervisors = async () =>
    (await bench.processes()).filter(
      ({ commandLine }) => commandLine.includes("supervisor.js") && !commandLine.startsWith("sh "),
    );
  /** A command that has begun, and what will become of it. */
  const begun = async (): Promise<{ result: ReturnType<typeof resultOf> }> => {
    const child = bench.start(["exec", id, "--timeout-seconds", "600", "--", "sh", "-c", "echo begun; sleep 7075"]);
    const result = resultOf(child);
    if (child.stdout) await once(child.stdout, "data");
    return { result };
  };
  const expectEverythingBack = async () => {
    expect(await bench.cli.refusal("workspace.exec", { workspaceId: id, command: ["true"] })).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining(`workspace '${id}' is not running, it is failed: `),
      hint: `Run \`pyro workspace start ${id}\`; its files are kept.`,
    });
    expect(await bench.json(["start", id])).toMatchObject({ state: "started", state_reason: null });
    expect(await bench.sh(id, "cat acknowledged.txt by-command.txt")).toBe("by a write\nby a command\n");
  };

  test("the death of its supervisor in the middle of a command", async () => {
    const command = await begun();
    for (const { pid } of await supervisors()) killIfThere(pid);
    const { stderr, exitCode } = await command.result;
    expect(stderr).toMatch(/^\[error\] the operation may have happened: lost the workspace's supervisor/);
    expect(exitCode).toBe(125);
    expect(await status()).toMatchObject({ state: "failed", state_reason: "its supervisor ended unexpectedly" });
    expect(await lastLog()).toMatchObject({ state: "unknown", exit_code: null, stdout: "begun\n" });
    const noMachine = async () => (await virtualMachinesOf(bench.cache.dir)).length === 0;
    await eventually(noMachine, soonMs, "its machine is gone");
    await expectEverythingBack();
  });

  test("the death of its virtual machine in the middle of a command", async () => {
    const command = await begun();
    for (const { pid } of await virtualMachinesOf(bench.cache.dir)) killIfThere(pid);
    const { stderr, exitCode } = await command.result;
    expect(stderr).toMatch(/^\[error\] the command was cut off: its machine ended/);
    expect(exitCode).toBe(125);
    await eventually(isFailed, soonMs, "it is known to have failed");
    expect((await status()).state_reason).toMatch(/^its machine ended \(/);
    expect(await lastLog()).toMatchObject({ state: "unknown", stdout: "begun\n" });
    await expectEverythingBack();
  });

  test("the death of its virtual machine, with a root disk that no longer boots", async () => {
    for (const { pid } of await supervisors()) killIfThere(pid);
    await eventually(isFailed, soonMs, "it is known to have failed");
    const dir = join(bench.cache.workspacesDir, id);
    const record = JSON.parse(await readFile(join(dir, "workspace.json"), "utf8"));
    await truncate(join(dir, "disks", record.root_layers.at(-1)), 4096);
    await expectEverythingBack();
    const { root_loss: rootLoss } = await status();
    expect(rootLoss.reason).toMatch(/^it could not be booted after its machine had been cut off: cannot boot /);
    const { stdout } = await bench.run(["status", id]);
    expect(stdout.toString()).toContain(`Lost: everything outside /workspace, at ${rootLoss.at}: ${rootLoss.reason}\n`);
  });

  test("a crash of its kernel, and is reset", async () => {
    await bench.output(["file", "write", id, "spoilt.txt", "--text", "x"]);
    const crashed = await bench.run([
      "exec",
      id,
      "--",
      "sh",
      "-c",
      "echo 1 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger; sleep 60",
    ]);
    expect(crashed.exitCode).toBe(125);
    expect(crashed.stderr).toMatch(/^\[error\] .+\n$/);
    await eventually(isFailed, soonMs, "it is known to have failed");
    expect(await bench.json(["reset", id])).toMatchObject({ state: "started", state_reason: null, reset_count: 1 });
    expect(await bench.sh(id, "ls")).toBe("");
  });

  test("the end of its creator's session and processes", async () => {
    const script = '"$0" "$1" workspace create debian:12 --id-only; sleep 1000';
    const session = spawn("sh", ["-c", script, process.execPath, pyroPath], {
      env: { ...process.env, ...bench.env },
      stdio: ["ignore", "pipe", "ignore"],
      // A session of its own, which it leads.
      detached: true,
    });
    const [line] = (await once(session.stdout, "data")) as [Buffer];
    const created = line.toString().trim();
    const leader = session.pid ?? 0;
    process.kill(-leader, "SIGHUP");
    process.kill(-leader, "SIGKILL");
    await once(session, "exit");
    expect(await bench.sh(created, "echo alive")).toBe("alive\n");
    await bench.output(["delete", created]);
  });

  test("a record that cannot be read, until it is deleted", async () => {
    const spoilt = await bench.create();
    await writeFile(join(bench.cache.workspacesDir, spoilt, "workspace.json"), '{"format_version": 1, "workspa');
    const { workspaces } = await bench.json(["list"]);
    expect(workspaces.find((row: Json) => row.workspace_id === spoilt)).toMatchObject({
      state: "broken",
      state_reason: expect.stringMatching(/JSON/),
    });
    expect(await bench.cli.refusal("workspace.status", { workspaceId: spoilt })).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("it is broken"),
      hint: `Run \`pyro workspace delete ${spoilt}\`.`,
    });
    await bench.output(["delete", spoilt]);
    expect(await bench.leftovers()).toEqual([id]);
    const areGone = async () => (await bench.processes()).every(({ commandLine }) => !commandLine.includes(spoilt));
    await eventually(areGone, soonMs, "its processes are gone");
  });

  test("nothing that its deletion leaves behind", async () => {
    await bench.output(["delete", id]);
    expect(await bench.leftovers()).toEqual([]);
    expect(await bench.processes()).toEqual([]);
  });
});
