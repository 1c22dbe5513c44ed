import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { WorkspaceWithoutVm } from "../helpers/namespaces/workspace.ts";
import { eventually } from "../helpers/processes.ts";
import { Workbench } from "../helpers/workbench.ts";

const soonMs = 10_000;

describeWithNamespaces("a machine for one command", () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const open = () => WorkspaceWithoutVm.start(bench.cache, {}, { kind: "vm" });
  const isGone = async (vmId: string) => !(await bench.leftovers()).includes(vmId);

  test("is looked at, runs one command and is gone", async () => {
    await using machine = await open();
    const vmId = machine.workspaceId;
    expect(vmId).toMatch(/^vm-[0-9a-f]{12}$/);
    expect(await bench.mcp.call("vm.status", { vmId })).toMatchObject({ vm_id: vmId, state: "started" });
    expect(await bench.mcp.call("vm.networkInfo", { vmId })).toMatchObject({
      ...{ vm_id: vmId, network_policy: "off", addresses: [], total: 0, denied_count: 0, entries: [] },
    });
    expect(await bench.mcp.call("vm.exec", { vmId, command: "pwd; echo no >&2; exit 7" })).toMatchObject({
      ...{ vm_id: vmId, stdout: "/workspace\n", stderr: "no\n", exit_code: 7, execution_mode: "guest" },
      cleanup: { deleted: true, reason: "post_exec_cleanup", vm_id: vmId },
    });
    expect(await isGone(vmId)).toBe(true);
    expect(await bench.mcp.refusal("vm.status", { vmId })).toMatchObject({
      code: "not_found",
      message: `there is no machine '${vmId}'`,
    });
  });

  test("runs no second command, and goes with the first one at its time limit", async () => {
    await using machine = await open();
    const vmId = machine.workspaceId;
    let begun: () => void = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const streams = { onStdout: () => begun(), onStderr: () => {} };
    const first = bench.library.vm.exec({ vmId, command: "echo up; sleep 300", timeoutSeconds: 2 }, { streams });
    await hasBegun;
    await expect(bench.library.vm.exec({ vmId, command: "true" })).rejects.toMatchObject({
      code: "failed_precondition",
      message: `cannot run a second command in machine '${vmId}'`,
    });
    expect(await first).toMatchObject({ timedOut: true, exitCode: 124, cleanup: { deleted: true } });
    expect(await isGone(vmId)).toBe(true);
  });

  test("goes with a caller that gives up", async () => {
    await using machine = await open();
    const vmId = machine.workspaceId;
    const caller = new AbortController();
    const streams = { onStdout: () => caller.abort(), onStderr: () => {} };
    const call = bench.library.vm.exec({ vmId, command: "echo up; sleep 300" }, { signal: caller.signal, streams });
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
    await eventually(() => isGone(vmId), soonMs, "the machine is removed");
  });

  test("is deleted while its command runs", async () => {
    await using machine = await open();
    const vmId = machine.workspaceId;
    let tellBegun: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      tellBegun = resolve;
    });
    const streams = { onStdout: () => tellBegun(), onStderr: () => {} };
    const cutOff = bench.library.vm
      .exec({ vmId, command: "echo up; sleep 300" }, { streams })
      .catch((error: unknown) => error);
    await begun;
    expect(await bench.library.vm.delete({ vmId })).toEqual({ vmId, deleted: true, reason: "explicit_delete" });
    expect(await cutOff).toMatchObject({ code: "outcome_unknown" });
    expect(await isGone(vmId)).toBe(true);
  });

  test("is no workspace, and a workspace is none", async () => {
    await using machine = await open();
    await using workspace = await WorkspaceWithoutVm.start(bench.cache);
    const vmId = machine.workspaceId;
    const { workspaceId } = workspace;
    const { workspaces } = await bench.library.workspace.list();
    expect(workspaces.map((row) => row.workspaceId)).toEqual([workspaceId]);
    expect(await bench.mcp.refusal("workspace.exec", { workspaceId: vmId, command: "true" })).toMatchObject({
      code: "invalid_argument",
      message: `cannot use '${vmId}' as a workspace: it is a machine for one command`,
      hint: `Use \`vm_status(vm_id="${vmId}")\` and what goes with it.`,
    });
    expect(await bench.mcp.refusal("vm.exec", { vmId: workspaceId, command: "true" })).toMatchObject({
      code: "invalid_argument",
      message: `cannot use '${workspaceId}' as a machine for one command: it is a workspace`,
      hint: `Use \`workspace_status(workspace_id="${workspaceId}")\` and what goes with it.`,
    });
    expect(await bench.library.vm.delete({ vmId })).toEqual({ vmId, deleted: true, reason: "explicit_delete" });
    expect(await isGone(vmId)).toBe(true);
  });
});
