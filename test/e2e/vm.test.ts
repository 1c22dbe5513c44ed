import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, killIfThere, virtualMachinesOf } from "../helpers/processes.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const environment = "debian:12";
const goneWithinMs = 30_000;

describeWithVm("a machine for one command", () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const nothingIsLeft = async () => (await bench.leftovers()).length === 0 && (await bench.processes()).length === 0;

  test("boots when it is started, runs the command and leaves nothing", async () => {
    const created = await bench.mcp.call("vm.create", { environment });
    const vmId: string = created.vm_id;
    expect(created).toMatchObject({ state: "created", isolation: null, network_policy: "off", vcpu_count: 1 });
    expect(await virtualMachinesOf(bench.cache.dir)).toEqual([]);
    expect(await bench.mcp.call("vm.networkInfo", { vmId })).toMatchObject({ state: "created", entries: [] });
    expect(await bench.mcp.refusal("vm.exec", { vmId, command: "true" })).toMatchObject({
      code: "failed_precondition",
      message: `machine '${vmId}' is not running, it is created`,
    });

    expect(await bench.mcp.call("vm.start", { vmId })).toMatchObject({ state: "started", isolation: { vmm: "qemu" } });
    expect(await bench.mcp.call("vm.exec", { vmId, command: "hostname; exit 3" })).toMatchObject({
      ...{ exit_code: 3, stdout: `pyro-${vmId}\n`, cleanup: { deleted: true } },
    });
    await eventually(nothingIsLeft, goneWithinMs, "nothing is left of it");
  });

  test("leaves nothing when its supervisor is killed while the command runs", async () => {
    const { vmId } = await bench.library.vm.create({ environment });
    await bench.library.vm.start({ vmId });
    const onStdout = async () => {
      const supervisor = (await bench.processes()).find(({ commandLine }) => commandLine.includes("supervisor.js run"));
      killIfThere(supervisor?.pid ?? 0);
    };
    const streams = { onStdout, onStderr: () => {} };
    await expect(bench.library.vm.exec({ vmId, command: "echo up; sleep 300" }, { streams })).rejects.toMatchObject({
      code: "outcome_unknown",
      hint: expect.stringContaining("another one"),
    });
    await eventually(nothingIsLeft, goneWithinMs, "nothing is left of it");
  });

  test("is removed when it expires, although it was never started", async () => {
    await bench.library.vm.create({ environment, ttlSeconds: 1 });
    await eventually(nothingIsLeft, goneWithinMs, "nothing is left of it");
  });
});
