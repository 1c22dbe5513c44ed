import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pyro, resultOf, startPyro, TestCache } from "../helpers/cli.ts";
import { eventually, virtualMachinesOf } from "../helpers/processes.ts";
import { copySharedTemplates } from "../helpers/templates.ts";
import { describeWithVm } from "../helpers/vm.ts";

/** What the product promises after the death of an owner. */
const goneWithinMs = 5_000;

describeWithVm("when the CLI is killed with SIGKILL", () => {
  let cache: TestCache;
  beforeEach(async () => {
    cache = await TestCache.create();
  });
  afterEach(() => cache[Symbol.asyncDispose]());

  const expectRecovery = async () => {
    await eventually(async () => (await virtualMachinesOf(cache.dir)).length === 0, goneWithinMs, "all VMs are gone");
    const next = await pyro(["run", "debian:12", "--", "echo", "works"], { env: cache.env });
    expect(next.stdout.toString()).toBe("works\n");
    expect((await readdir(join(cache.dir, "templates"))).filter((name) => !/^[0-9a-f]{32}$/.test(name))).toEqual([]);
  };

  test("during a template build, no VM is left and the next command works", async () => {
    const child = startPyro(["run", "debian:12", "--", "true"], { env: cache.env });
    await eventually(async () => (await virtualMachinesOf(cache.dir)).length > 0, 60_000, "a VM boots");
    // The boot takes seconds. Any moment of it will do.
    await setTimeout(500);
    child.kill("SIGKILL");
    await expectRecovery();
  });

  test("while a command runs, no VM is left and the next command works", async () => {
    copySharedTemplates(cache);
    const child = startPyro(["run", "debian:12", "--", "sh", "-c", "echo up; sleep 300"], { env: cache.env });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    child.kill("SIGKILL");
    await expectRecovery();
  });

  test("at any moment of a fork, no VM is left and the next command works", async () => {
    copySharedTemplates(cache);
    const start = () => startPyro(["run", "debian:12", "--", "sleep", "300"], { env: cache.env });
    const killed = async (child: ReturnType<typeof start>) => {
      child.kill("SIGKILL");
      await resultOf(child);
      await eventually(async () => (await virtualMachinesOf(cache.dir)).length === 0, goneWithinMs, "its VM is gone");
    };
    const first = start();
    const startedMs = performance.now();
    await eventually(async () => (await virtualMachinesOf(cache.dir)).length > 0, 60_000, "its VM is there");
    const forkMs = performance.now() - startedMs;
    await killed(first);
    // From the start to well after the VM, at this host's own speed
    for (let part = 1; part <= 10; part++) {
      const child = start();
      await setTimeout((forkMs * part) / 8);
      await killed(child);
    }
    await expectRecovery();
  });

  test("a SIGTERM ends the machine and tells the shell", async () => {
    copySharedTemplates(cache);
    const child = startPyro(["run", "debian:12", "--", "sh", "-c", "echo up; sleep 300"], { env: cache.env });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    child.kill("SIGTERM");
    const result = await resultOf(child);
    expect(result.exitCode).toBe(143);
    expect(await virtualMachinesOf(cache.dir)).toEqual([]);
  });
});
