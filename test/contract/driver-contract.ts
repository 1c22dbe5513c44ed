import { createHash } from "node:crypto";
import { truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentClient } from "../../src/guest/agent.ts";
import { framesOf } from "../../src/guest/frames.ts";
import { protocolVersion } from "../../src/guest/messages.ts";
import { decodeChanges, decodeTree } from "../../src/guest/tree/decode.ts";
import { encodeTree } from "../../src/guest/tree/encode.ts";
import type { GuestItem } from "../../src/guest/tree/messages.ts";
import { newIdentity } from "../../src/machines/identity.ts";
import { FrozenStateError, type VmSpec } from "../../src/vm/driver.ts";
import { powerNames } from "../../src/vm/features.ts";
import { eventually } from "../helpers/processes.ts";
import { adopt, boot, bootWorkspace, type DriverHarness, type DriverUnderTest, type Guest } from "./harness.ts";
import { exec, isSleeping, sh } from "./shell.ts";

const soonMs = 30_000;
const unsupported = { code: "unsupported" };

/** What every driver must do, with the real agent in its machines. */
export function describeDriver({ name, lacks, obstacle, makeHarness }: DriverUnderTest): void {
  if (obstacle !== null) console.warn(`The contract of ${name} is skipped: ${obstacle}`);

  describe.skipIf(obstacle !== null)(`the ${name} driver`, () => {
    let harness: DriverHarness;
    beforeAll(async () => {
      harness = await makeHarness();
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    test(`lacks ${lacks.length === 0 ? "nothing" : lacks.join(", ")}`, () => {
      expect(powerNames.filter((power) => !harness.driver.features[power])).toEqual(lacks);
    });

    describe("in a running machine", () => {
      let guest: Guest;
      beforeAll(async () => {
        guest = await bootWorkspace(harness);
      });
      afterAll(() => guest[Symbol.asyncDispose]());

      describe("tells", () => describeInfo(() => guest.agent));
      describe("runs commands", () => describeCommands(() => guest.agent));
      describe("has files", () => describeFiles(() => guest.agent));
      describe("holds its workspace still", () => describeFreeze(() => guest.agent));
    });

    describe("tells the end of a machine", () => describeEnds(() => harness));
    describe("forks", () => describeSnapshots(() => harness, lacks.includes("snapshots")));
    describe("adds layers", () => describeLiveLayers(() => harness, lacks.includes("liveLayers")));

    test.runIf(lacks.includes("layeredDisks"))("refuses layers of a disk", async () => {
      const spec = await harness.makeSpec();
      const [base] = spec.workspaceDisk.layers;
      const workspaceDisk = { ...spec.workspaceDisk, layers: [base, { path: "/top", format: "qcow2" }] } as const;
      await expect(harness.driver.boot({ ...spec, workspaceDisk })).rejects.toMatchObject(unsupported);
    });

    test("starts nothing for a caller that has given up", async () => {
      await expect(harness.driver.boot(await harness.makeSpec(), AbortSignal.abort())).rejects.toThrow();
    });
  });
}

function describeInfo(agentOf: () => AgentClient): void {
  test("its protocol, its name and that it has an identity", async () => {
    expect(await agentOf().info()).toMatchObject({ protocol: protocolVersion, hostname: "contract", forked: true });
    expect((await sh(agentOf(), "cat /proc/sys/kernel/hostname")).trim()).toBe("contract");
  });

  test("that an identity is given only once", async () => {
    await expect(adopt(agentOf(), "another")).rejects.toThrow(/forked already/);
  });
}

function describeCommands(agentOf: () => AgentClient): void {
  test("and gives their exit code, and each stream on its own", async () => {
    const result = await exec(agentOf(), { shell: "echo out; echo err >&2; exit 7" });
    expect(result).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 7, signal: null, timedOut: false });
  });

  test("in the workspace, with the arguments and variables that they are given", async () => {
    const argv = ["/bin/sh", "-c", 'pwd; printf "%s|" "$A" "$@"', "sh", "", "a  b", "$HOME", "*"];
    expect(await exec(agentOf(), { argv, env: { A: "1" } })).toMatchObject({
      stdout: "/workspace\n1||a  b|$HOME|*|",
      exitCode: 0,
    });
  });

  test("and names the signal that ends one", async () => {
    expect(await exec(agentOf(), { shell: "kill -SEGV $$" })).toMatchObject({ exitCode: null, signal: "SIGSEGV" });
  });

  test.each([
    ["nope", "command_not_found", 127],
    ["/etc/passwd", "command_not_executable", 126],
  ])("and says why '%s' cannot start", async (program, code, exitCode) => {
    expect(await exec(agentOf(), { argv: [program] })).toMatchObject({ exitCode, error: { code } });
  });

  test("with their input, byte for byte", async () => {
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251));
    const { stdout } = await exec(agentOf(), { argv: ["cat"], input });
    expect(Buffer.from(stdout, "latin1").equals(input)).toBe(true);
  });

  test("that read an empty stream if they are given none", async () => {
    expect(await exec(agentOf(), { argv: ["cat"] })).toMatchObject({ stdout: "", exitCode: 0 });
  });

  test("with output of any length, on both streams at once", async () => {
    const script = "head -c 4000000 /dev/zero | tr '\\0' o & head -c 3000000 /dev/zero | tr '\\0' e >&2; wait";
    const { stdout, stderr, exitCode } = await exec(agentOf(), { shell: script });
    expect([stdout.length, stderr.length, exitCode]).toEqual([4_000_000, 3_000_000, 0]);
    expect([/^o+$/.test(stdout), /^e+$/.test(stderr)]).toEqual([true, true]);
  });

  test("and holds one back while its output is not taken", async () => {
    let taken = 0;
    await agentOf().exec(
      { shell: "head -c 1000000 /dev/zero", timeoutMs: soonMs, stdin: false },
      {
        async onStdout(chunk) {
          taken += chunk.length;
          await delay(1);
        },
        onStderr() {},
      },
    );
    expect(taken).toBe(1_000_000);
  });

  test("side by side", async () => {
    const meet = (mine: string, other: string) =>
      sh(agentOf(), `touch /tmp/${mine}; until [ -e /tmp/${other} ]; do sleep 0.05; done; echo ${mine}`);
    expect(await Promise.all([meet("first", "second"), meet("second", "first")])).toEqual(["first\n", "second\n"]);
  });

  test("to their time limit, and kills everything that they started", async () => {
    const shell = "setsid sleep 7071 & (sleep 7071 & sleep 7071) & echo begun; sleep 7071";
    expect(await exec(agentOf(), { shell, timeoutMs: 1_000 })).toMatchObject({ stdout: "begun\n", timedOut: true });
    await eventually(async () => !(await isSleeping(agentOf(), "7071")), soonMs, "the command's processes are gone");
  });

  test("until the caller gives up, and kills everything that they started", async () => {
    const caller = new AbortController();
    const work = exec(agentOf(), { shell: "setsid sleep 7072 & sleep 7072", signal: caller.signal });
    const cancelled = expect(work).rejects.toMatchObject({ code: "cancelled" });
    await eventually(() => isSleeping(agentOf(), "7072"), soonMs, "the command runs");
    caller.abort();
    await cancelled;
    await eventually(async () => !(await isSleeping(agentOf(), "7072")), soonMs, "the command's processes are gone");
  });

  test("that leave daemons behind, which live on", async () => {
    await sh(agentOf(), "setsid sleep 7073 >/dev/null 2>&1 &");
    await eventually(() => isSleeping(agentOf(), "7073"), soonMs, "the daemon runs");
    await sh(agentOf(), "kill $(grep -lsa '^sleep.7073' /proc/[0-9]*/cmdline | cut -d/ -f3)");
  });

  test("as the first process's children, and reaps their orphans", async () => {
    await sh(agentOf(), "(sh -c 'sleep 0.01 & exit' &) ; true");
    const zombies = "grep -ls '^State:.Z' /proc/[0-9]*/status || true";
    await eventually(async () => (await sh(agentOf(), zombies)) === "", soonMs, "no zombie is left");
  });
}

function describeFiles(agentOf: () => AgentClient): void {
  const header = { makeParents: true, removeEmptyParents: false };
  const file = (path: string, content: string): GuestItem => ({
    entry: { path: Buffer.from(path), type: "file", mode: 0o640, size: content.length, mtimeNs: 1_000_000_000n },
    async *content() {
      yield { data: Buffer.from(content) };
    },
  });
  const write = async (...items: readonly GuestItem[]) => agentOf().writeTree(encodeTree(header, from(items)));
  const read = async (path: string) => {
    const request = { depth: -1, contentLimit: -1, digest: true, follow: false };
    const entries: Record<string, string> = {};
    for await (const item of decodeTree(framesOf(agentOf().readTree({ paths: [{ path }], ...request })))) {
      let content = "";
      const pieces = item.entry.type === "file" ? item.content() : [];
      for await (const piece of pieces) content += "data" in piece ? piece.data.toString() : "";
      entries[item.entry.path.toString()] = `${item.entry.type} ${item.entry.mode?.toString(8)} ${content}`;
    }
    return entries;
  };

  test("that the host writes and reads", async () => {
    const link: GuestItem = {
      entry: { path: Buffer.from("tree/link"), type: "symlink", target: Buffer.from("a/file") },
      content: () => from([]),
    };
    expect(await write(file("tree/a/file", "content"), link)).toMatchObject({ bytesWritten: 7 });
    expect(await sh(agentOf(), "cat tree/link; stat -c %a tree/a/file")).toBe("content640\n");
    expect(await read("tree")).toMatchObject({ "tree/a/file": "file 640 content" });
  });

  test("of which all are written, or none", async () => {
    const expected: GuestItem = {
      ...file("kept", "new"),
      entry: { ...file("kept", "new").entry, expect: { type: "file", sha256: digestOf("another") } },
    };
    await expect(write(file("half/of/it", "x"), expected)).rejects.toMatchObject({ code: "failed_precondition" });
    expect(await sh(agentOf(), "cat kept; ls -d half 2>&1 || true")).toMatch(/^kept\nls: /);
  });

  test("whose changes it tells, with their content before and after", async () => {
    await sh(agentOf(), "rm -rf tree; echo after > changed; rm deleted; mkdir new; echo new > new/file");
    const changes: Record<string, unknown> = {};
    for await (const change of decodeChanges(framesOf(agentOf().treeChanges({ contentLimit: 1_000 })), 1_000)) {
      const { status, oldContent, newContent } = change;
      changes[change.path.toString()] = [status, oldContent?.toString(), newContent?.toString()];
    }
    expect(changes).toEqual({
      changed: ["modified", "before\n", "after\n"],
      deleted: ["deleted", "deleted\n", undefined],
      new: ["added", undefined, undefined],
      "new/file": ["added", undefined, "new\n"],
    });
  });
}

function describeFreeze(agentOf: () => AgentClient): void {
  test("for as long as the host needs", async () => {
    await agentOf().freezeWorkspace();
    await expect(agentOf().freezeWorkspace()).rejects.toMatchObject({ code: "failed_precondition" });
    let isWritten = false;
    const writing = sh(agentOf(), "echo late > late; sync late").then(() => {
      isWritten = true;
    });
    await delay(300);
    expect(isWritten).toBe(false);
    expect(await sh(agentOf(), "cat kept")).toBe("kept\n");
    await agentOf().thawWorkspace();
    await writing;
    expect(await sh(agentOf(), "cat late")).toBe("late\n");
  });

  test("and says so if it does not", async () => {
    await expect(agentOf().thawWorkspace()).rejects.toMatchObject({ code: "failed_precondition" });
  });
}

function describeEnds(harnessOf: () => DriverHarness): void {
  test("that switches itself off", async () => {
    await using guest = await bootWorkspace(harnessOf());
    await guest.agent.powerOff();
    expect(await guest.vm.exited).toMatchObject({
      exitCode: 0,
      signal: null,
      log: expect.stringContaining("power off"),
    });
    await guest.vm.stop();
  });

  test("that is stopped, to everything that waits for it", async () => {
    const guest = await bootWorkspace(harnessOf());
    const command = exec(guest.agent, { argv: ["sleep", "7074"] });
    const lost = expect(command).rejects.toMatchObject({ code: "outcome_unknown" });
    const closed = new Promise((resolve) => guest.vm.agentStream.once("close", resolve));
    await Promise.all([guest.vm.stop(), guest.vm.stop()]);
    expect(await guest.vm.exited).toMatchObject({ exitCode: null, signal: "SIGKILL" });
    expect(() => process.kill(guest.vm.pid, 0)).toThrow();
    await closed;
    await lost;
    await expect(guest.agent.info()).rejects.toMatchObject({ code: "unavailable" });
  });
}

function describeSnapshots(harnessOf: () => DriverHarness, isLacking: boolean): void {
  test.runIf(isLacking)("nothing, and says so", async () => {
    const spec = await harnessOf().makeSpec();
    await using guest = await boot(harnessOf(), spec);
    await expect(guest.vm.freeze("/state")).rejects.toMatchObject(unsupported);
    await expect(harnessOf().driver.fork(spec, "/state")).rejects.toMatchObject(unsupported);
  });

  test.skipIf(isLacking)("a frozen machine into machines of their own, and knows a bad state", async () => {
    const spec = await harnessOf().makeSpec();
    const statePath = join(dirname(spec.memoryPath ?? ""), "state");
    {
      await using guest = await boot(harnessOf(), spec);
      await adoptWithoutWorkspace(guest.agent);
      await sh(guest.agent, "echo frozen > /run/memory; setsid sleep 7075 >/dev/null 2>&1 &");
      await guest.agent.freeze();
      await guest.vm.freeze(statePath);
    }
    const forks = await Promise.all(
      ["one", "two"].map(async (name) => {
        const vm = await harnessOf().driver.fork(await harnessOf().makeForkSpec(spec), statePath);
        const agent = new AgentClient(vm.agentStream);
        await adopt(agent, name);
        return { name, vm, agent };
      }),
    );
    try {
      for (const { name, agent } of forks) {
        expect(await sh(agent, `cat /run/memory kept; echo ${name} > /run/memory; echo ${name} > kept`)).toBe(
          "frozen\nkept\n",
        );
        expect(await isSleeping(agent, "7075")).toBe(true);
      }
      for (const { name, agent } of forks) {
        expect(await sh(agent, "hostname; cat /run/memory kept")).toBe(`${name}\n${name}\n${name}\n`);
      }
      const machineIds = await Promise.all(forks.map(async ({ agent }) => (await agent.info()).machineId));
      expect(new Set(machineIds).size).toBe(2);
    } finally {
      await Promise.all(forks.map(({ vm }) => vm.stop()));
    }
    if (harnessOf().driver.features.addedDisks) await expectAddedDisk(harnessOf(), spec, statePath);
    await truncate(statePath, 1_000);
    const fork = harnessOf().driver.fork(await harnessOf().makeForkSpec(spec), statePath);
    await expect(fork).rejects.toBeInstanceOf(FrozenStateError);
  });
}

/** A disk that the frozen machine did not have, which holds a file system. */
async function expectAddedDisk(harness: DriverHarness, frozen: VmSpec, statePath: string): Promise<void> {
  const spec = await harness.makeForkSpec(frozen);
  const addedDisks = [(await harness.makeForkSpec(frozen)).workspaceDisk];
  await using vm = await harness.driver.fork({ ...spec, addedDisks }, statePath);
  const agent = new AgentClient(vm.agentStream);
  await adopt(agent, "three-disks");
  await agent.inspect("/dev/vdc");
  expect(await sh(agent, "ls /run/pyro/inspected/root/base; cat kept")).toBe("changed\ndeleted\nkept\nkept\n");
}

function describeLiveLayers(harnessOf: () => DriverHarness, isLacking: boolean): void {
  test.runIf(isLacking)("nowhere, and says so", async () => {
    await using guest = await bootWorkspace(harnessOf());
    await expect(guest.vm.pushWorkspaceLayer("layer")).rejects.toMatchObject(unsupported);
  });

  test.skipIf(isLacking)("to the workspace of a running machine, and writes the lower ones no more", async () => {
    const spec = await harnessOf().makeSpec();
    await using guest = await boot(harnessOf(), spec);
    await adopt(guest.agent, "layers");
    await sh(guest.agent, "echo lower > lower; sync");
    const layer = await harnessOf().makeLayer(spec);
    await guest.agent.freezeWorkspace();
    await guest.vm.pushWorkspaceLayer(layer);
    await guest.agent.thawWorkspace();
    await sh(guest.agent, "echo upper > upper; sync");
    expect(await sh(guest.agent, "cat lower upper")).toBe("lower\nupper\n");
    await guest.vm.stop();
    // The layers of before are a whole workspace by themselves.
    const again = { ...spec, memoryPath: null };
    await using older = await boot(harnessOf(), again);
    await adopt(older.agent, "older");
    expect(await sh(older.agent, "cat lower; ls upper 2>/dev/null || echo none")).toBe("lower\nnone\n");
  });
}

async function adoptWithoutWorkspace(agent: AgentClient): Promise<void> {
  await agent.fork(newIdentity("template"));
}

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
