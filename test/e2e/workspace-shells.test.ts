import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeShells } from "../cases/workspace-shells.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm, workspaceInVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

describeWithVm("shells of a workspace", () => describeShells(workspaceInVm));

describeWithVm("the machine of shells", () => {
  let bench: Workbench;
  let workspaceId: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    workspaceId = await bench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());
  const call = (operation: string, input: object = {}): Promise<Json> =>
    bench.sdk.call(`workspace.${operation}`, { workspaceId, ...input });

  test.each(["cli", "mcp"] as const)("runs them for the %s as for the library", async (which) => {
    const on = (operation: string, input: object = {}): Promise<Json> =>
      bench[which].call(`workspace.shell.${operation}`, { workspaceId, ...input });
    const { shell_id: shellId } = await on("open", { cwd: "/", cols: 90 });
    const { cursor } = await on("write", { shellId, input: "sleep 0.3; pwd" });
    const read = await on("read", { shellId, cursor, plain: true, waitFor: "prompt" });
    expect(read).toMatchObject({ cols: 90, last_exit_code: 0, foreground: { state: "prompt" } });
    expect(read.output).toMatch(/\n\/\n/);
    await on("write", { shellId, input: "less /etc/passwd", appendNewline: true });
    expect(await on("read", { shellId, plain: true, waitFor: "input" })).toMatchObject({
      screen: { alternate: true },
      foreground: { command: "less /etc/passwd", state: "input" },
    });
    await on("write", { shellId, input: "q", appendNewline: false });
    expect(await on("read", { shellId, plain: true, waitFor: "prompt" })).toMatchObject({
      screen: { alternate: false },
    });
    await on("write", { shellId, input: "sleep 100" });
    expect(await on("signal", { shellId })).toMatchObject({ signal_sent: "INT" });
    expect(await on("close", { shellId })).toMatchObject({ closed: true });
  });

  test("ends them with a stop, and forgets them", async () => {
    const { shell_id: shellId } = await call("shell.open");
    await call("shell.write", { shellId, input: "sh -c \"trap 'echo hung up > told; exit' HUP; echo set; read x\"" });
    await call("shell.read", { shellId, waitFor: "input" });
    await call("stop");
    expect(await bench.sdk.refusal("workspace.shell.read", { workspaceId, shellId })).toMatchObject({
      code: "failed_precondition",
    });
    await call("start");
    expect(await call("file.read", { path: "told" })).toMatchObject({ content: "hung up\n" });
    expect(await call("shell.list")).toMatchObject({ shells: [] });
  });

  test("takes them along with a reset, and when it dies", async () => {
    const { shell_id: shellId } = await call("shell.open");
    await call("reset");
    expect(await bench.sdk.refusal("workspace.shell.read", { workspaceId, shellId })).toMatchObject({
      code: "not_found",
    });
    const { shell_id: other } = await call("shell.open");
    const reading = bench.sdk.refusal("workspace.shell.read", {
      ...{ workspaceId, shellId: other, waitFor: "idle", waitForIdleMs: 10_000 },
    });
    const { guardian } = JSON.parse(
      await readFile(join(bench.cache.workspacesDir, workspaceId, "workspace.json"), "utf8"),
    );
    process.kill(-guardian.pid, "SIGKILL");
    expect(await reading).toMatchObject({ code: expect.stringMatching(/^(unavailable|failed_precondition)$/) });
    await expect.poll(() => call("status"), { timeout: 60_000 }).toMatchObject({ state: "failed" });
  });
});
