import { spawnSync } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { describeWithVm } from "../helpers/vm.ts";
import type { Operation, Outcome, SdkClient } from "./clients.ts";
import { additionPatch, listAll, operationsOn, type WorkspaceOperations } from "./operations.ts";
import { memoryOf } from "./processes.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";
import { World } from "./world.ts";

const mib = 1024 * 1024;
/** The guest's 1024 MiB, and what QEMU needs itself */
const maxMachineMib = 1500;
/** What a workspace's folder may take when its guest has written little */
const maxFolderMib = 700;

/** A guest that cannot do what it is asked may be told from a fault of pyro. */
const clearCodes = [
  ...["failed_precondition", "outcome_unknown", "unavailable", "timeout", "not_found", "resource_exhausted"],
  "cancelled",
];

/** How many calls are tried after each mischief; `make chaos` tries all */
const lookCount = sizeFromEnvironment("CHAOS_LOOKS", 3);

describeWithVm("a guest that misbehaves", () => {
  const random = new Random(chosenSeed("mischief"));
  let world: World;
  let id: string;
  let does: WorkspaceOperations;
  /** The library, in a process of its own: quicker than the command line */
  let client: SdkClient;
  beforeAll(async () => {
    world = await World.create();
    id = await world.createWorkspace();
    does = operationsOn(id);
    client = world.newSdkClient();
  });
  let isMastered = true;
  // What a test that failed has left must not be what the next one fails of.
  beforeEach(async () => {
    if (!isMastered) await must(does.reset());
    isMastered = false;
  });
  afterAll(async () => {
    await world.must(does.delete());
    await world.expectNothingLeft();
    await world[Symbol.asyncDispose]();
  });

  const run = (operation: Operation) => client.call(operation).outcome;

  async function must(operation: Operation): Promise<Readonly<Record<string, unknown>>> {
    const outcome = await run(operation);
    if (outcome.kind === "done") return outcome.value;
    throw new Error(`'${operation.args.join(" ").slice(0, 200)}' did not work: ${JSON.stringify(outcome)}`);
  }

  const sh = (script: string, timeoutSeconds = 60) => does.exec(["bash", "-c", script], timeoutSeconds);

  /** Works, or says clearly why not. */
  function expectClear(outcome: Outcome, what: string): void {
    if (outcome.kind === "failed")
      expect(clearCodes, `${what}: ${outcome.code}: ${outcome.message}`).toContain(outcome.code);
    else expect(outcome.kind, what).toBe("done");
  }

  /**
   * After anything that a guest does, these calls must return, the host must be well, and a reset
   * must make the guest new.
   */
  async function expectMastered(): Promise<void> {
    const marker = `marker-${Math.random()}`;
    const looks = {
      exec: does.exec(["true"], 10),
      write: does.write(`dir/${marker}`, "text\n"),
      read: does.read(`dir/${marker}`),
      patch: does.patch(additionPatch(`patched/${marker}`, "text")),
      list: does.files(),
      diff: does.diff(),
      export: does.export("/workspace", world.outPath(marker)),
      snapshot: does.snapshot(marker),
    };
    for (const [what, look] of random.sample(Object.entries(looks), lookCount)) expectClear(await run(look), what);
    // These need no guest.
    await must(listAll);
    await must(does.status());
    await must(does.logs());
    await must(does.summary());
    await expectHostWell();
    await must(does.reset());
    const fresh = await must(
      sh("ls -A /workspace; cat /proc/sys/kernel/random/boot_id; mount | grep -c /workspace; sh -c 'echo fine'"),
    );
    expect(fresh).toMatchObject({ exit_code: 0, stderr: "" });
    expect(String(fresh["stdout"]).split("\n").slice(1)).toEqual(["1", "fine", ""]);
    await must(does.write("again.txt", "works\n"));
    expect((await must(does.read("again.txt")))["content"]).toBe("works\n");
    isMastered = true;
  }

  async function expectHostWell(): Promise<void> {
    for (const { kind, pid } of await world.processes()) {
      const { rssKib } = await memoryOf(pid);
      expect(rssKib / 1024, kind).toBeLessThan(kind === "qemu" ? maxMachineMib : 300);
    }
    const used = spawnSync("du", ["-sm", world.stateDir], { encoding: "utf8" }).stdout.split("\t")[0];
    expect(Number(used)).toBeLessThan(maxFolderMib);
  }

  /** A command that ends somehow. */
  async function mischief(script: string, timeoutSeconds = 60): Promise<Outcome> {
    const outcome = await run(sh(script, timeoutSeconds));
    expectClear(outcome, script);
    return outcome;
  }

  test("eats its memory", async () => {
    const outcome = await mischief("tail /dev/zero", 90);
    expect(outcome).toMatchObject({ kind: "done", value: { oom_killed: true } });
    await expectMastered();
  });

  test("multiplies its processes", async () => {
    await mischief("bomb() { bomb | bomb & }; bomb; sleep 5", 10);
    await expectMastered();
  });

  test("replaces its shell by garbage", async () => {
    await mischief(
      "head -c 4096 /dev/urandom > /tmp/garbage; chmod 755 /tmp/garbage; cp --remove-destination /tmp/garbage /bin/dash",
    );
    const outcome = await must(does.exec(["sh", "-c", "true"]));
    expect(outcome["exit_code"]).toBe(126);
    await expectMastered();
  });

  test("fills its root disk", async () => {
    const outcome = await mischief(
      "fallocate -l $(df --output=avail -B1 / | tail -1) /fill; dd if=/dev/zero of=/rest bs=4k; df / | tail -1",
    );
    expect(outcome).toMatchObject({ kind: "done", value: { exit_code: 0 } });
    await expectMastered();
  });

  test("fills its workspace", async () => {
    await mischief(
      "fallocate -l $(df --output=avail -B1 /workspace | tail -1) fill; dd if=/dev/zero of=rest bs=4k; true",
    );
    const written = await run(does.write("more.txt", "x".repeat(100_000)));
    expect(written, JSON.stringify(written)).toMatchObject({ kind: "failed", code: "resource_exhausted" });
    await expectDiskFullMastered();
  });

  /** An export of it would be as large as it says it is. */
  async function expectDiskFullMastered(): Promise<void> {
    await must(does.summary());
    expectClear(await run(does.diff()), "diff");
    expectClear(await run(does.snapshot("full")), "snapshot");
    await expectHostWell();
    await must(does.reset());
    await expectMastered();
  }

  test.each([
    ["powers itself off", "sync; echo o > /proc/sysrq-trigger; sleep 30"],
    ["reboots", "sync; echo b > /proc/sysrq-trigger; sleep 30"],
    ["panics", "echo c > /proc/sysrq-trigger; sleep 30"],
    ["kills its agent", "kill -QUIT 1; sleep 2"],
  ])("%s", async (what, script) => {
    await must(does.write("kept.txt", "kept\n"));
    const outcome = await mischief(script, 20);
    // Signals may have no effect on the first process; the others end the machine.
    if (outcome.kind === "failed") {
      expect(outcome.code).toBe("outcome_unknown");
      expect((await must(does.status()))["state"]).toBe("failed");
      const { entries } = (await must(does.logs())) as { entries?: Record<string, unknown>[] };
      expect(entries?.at(-1)).toMatchObject({ state: "unknown", exitCode: null });
      if (what === "panics") await must(does.start());
      if (what === "panics") expect((await must(does.read("kept.txt")))["content"]).toBe("kept\n");
    }
    await expectMastered();
  });

  test("kills all its processes", async () => {
    await mischief("kill -9 -1");
    await mischief("kill -STOP 1; kill -TERM 1; kill -SEGV 1");
    await expectMastered();
  });

  test.each([
    ["makes its workspace read-only", "mount -o remount,ro /workspace"],
    ["makes all its disks read-only", "mount -o remount,ro /; mount -o remount,ro /workspace; true"],
    ["unmounts its workspace", "cd /; umount -l /workspace"],
    ["hides its workspace", "mount -t tmpfs none /workspace"],
    ["binds its workspace to itself", "mkdir -p /workspace/a; mount --bind / /workspace/a"],
    ["unmounts everything", "cd /; umount -a -l; true"],
    ["removes everything", "rm -rf --no-preserve-root / 2>/dev/null; true"],
    ["breaks its control groups", "umount -l /sys/fs/cgroup; umount -l /proc; true"],
  ])("%s", async (_what, script) => {
    await mischief(script);
    await expectMastered();
  });

  test("deletes its files while they are exported", async () => {
    await must(sh("mkdir d{1..100}; for i in {1..100}; do printf %20000d 0 > d$i/f; done"));
    const output = world.outPath("vanishing");
    const [exported] = await Promise.all([run(does.export("/workspace", output)), run(sh("rm -rf /workspace/d*"))]);
    expectClear(exported, "export");
    const isThere = await stat(output).then(
      () => true,
      () => false,
    );
    expect(isThere).toBe(exported.kind === "done");
    expect((await readdir(world.outPath("."))).filter((name) => name.includes("vanishing"))).toEqual(
      isThere ? ["vanishing"] : [],
    );
    await expectMastered();
  });

  test("prints without end", async () => {
    const outcome = await world.run(sh("yes '0123456789abcdef'", 3));
    expect(outcome).toMatchObject({ kind: "done", value: { timed_out: true, exit_code: 124 } });
    const { entries } = (await must(does.logs())) as { entries?: Record<string, unknown>[] };
    expect(entries?.at(-1)).toMatchObject({ truncated: true, state: "ended" });
    const history = join(world.workspacesDir, id);
    const kept = spawnSync(
      "du",
      [
        "-sb",
        ...(await readdir(history)).filter((name) => name.startsWith("history")).map((name) => join(history, name)),
      ],
      { encoding: "utf8" },
    );
    expect(Number(kept.stdout.split("\t")[0])).toBeLessThan(4 * mib);
    await expectMastered();
  });

  test("prints without end, unread", async () => {
    const running = world.start(sh("yes", 300));
    await must(does.exec(["sleep", "1"]));
    running.kill();
    expect((await running.outcome).kind).toBe("killed");
    const left = await must(sh("sleep 2; pgrep -c yes; true"));
    expect(left["stdout"]).toBe("0\n");
    await expectMastered();
  });
});
