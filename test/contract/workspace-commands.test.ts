import { afterAll, beforeAll, expect, test } from "vitest";
import { composeEngineContext } from "../../src/compose.ts";
import { invoke } from "../../src/operations/operation.ts";
import { workspaceExec } from "../../src/workspaces/command/exec-operation.ts";
import { TestCache } from "../helpers/cli.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { WorkspaceWithoutVm } from "../helpers/namespaces/workspace.ts";
import { type Json, sdkSurface } from "../helpers/surfaces.ts";

describeWithNamespaces("a workspace without a VM", () => {
  let cache: TestCache;
  let workspace: WorkspaceWithoutVm;
  beforeAll(async () => {
    cache = await TestCache.create();
    workspace = await WorkspaceWithoutVm.start(cache, { "seeded.txt": "before\n" });
  });
  afterAll(async () => {
    await workspace[Symbol.asyncDispose]();
    await cache[Symbol.asyncDispose]();
  });

  const call = (operation: string, input: object = {}): Promise<Json> =>
    sdkSurface(cache.env).call(`workspace.${operation}`, { workspaceId: workspace.workspaceId, ...input });
  const sh = (script: string, input: object = {}) => call("exec", { command: ["sh", "-c", script], ...input });
  const isSleeping = async (seconds: string) =>
    (await sh(`grep -lsa '^sleep.${seconds}' /proc/[0-9]*/cmdline || true`)).stdout !== "";

  test("runs commands, and logs them with their output", async () => {
    expect(await sh("echo out; echo err >&2; exit 7")).toMatchObject({
      exit_code: 7,
      stdout: "out\n",
      stderr: "err\n",
      isolation: { vmm: "namespaces" },
    });
    const { entries } = await call("logs");
    expect(entries.at(-1)).toMatchObject({ exit_code: 7, stdout: "out\n", stderr: "err\n", cwd: "/workspace" });
  });

  test("ends a command at its time limit, with everything that it started", async () => {
    const script = "setsid sleep 7081 & (sleep 7081 & sleep 7081) & echo begun; sleep 7081";
    expect(await sh(script, { timeoutSeconds: 1 })).toMatchObject({
      stdout: "begun\n",
      timed_out: true,
      exit_code: 124,
    });
    expect(await isSleeping("7081")).toBe(false);
  });

  test("is named by its name or a beginning of its id", async () => {
    const { workspaceId } = workspace;
    await call("update", { name: "short name" });
    for (const given of ["short name", workspaceId.slice(0, 4), workspaceId]) {
      expect(await call("status", { workspaceId: given })).toMatchObject({ workspace_id: workspaceId });
      expect(await call("exec", { workspaceId: given, command: "true" })).toMatchObject({ workspace_id: workspaceId });
    }
    await call("update", { clearName: true });
  });

  test("keeps the beginning and the end of long output", async () => {
    await sh("echo begin; head -c 6000000 /dev/zero | tr '\\0' x; echo; echo end");
    const { entries } = await call("logs");
    expect(entries.at(-1).truncated).toBe(true);
    expect(entries.at(-1).stdout).toMatch(/^begin\nx+\n\[… \d+ bytes are not kept …\]\nx+\nend\n$/);
  });

  test("leaves a command running, and gives its end later", async () => {
    const begun = await invoke(
      workspaceExec,
      { engine: composeEngineContext({ ...process.env, ...cache.env }), detachAfterMs: 100, keptOutputBytes: 1000 },
      { workspaceId: workspace.workspaceId, command: "echo begun; sleep 0.3; echo done", timeoutSeconds: 60 },
    );
    expect(begun).toMatchObject({ running: true, stdout: "begun\n" });
    const { entries } = await call("logs", { sequence: begun.sequence, waitSeconds: 20 });
    expect(entries.at(-1)).toMatchObject({ exit_code: 0, stdout: "begun\ndone\n" });
  });

  test("writes, reads and compares files", async () => {
    const text = "naïve 文 🙂\r\n\ttab\n\nno end";
    await call("file.write", { path: "a/b/c.txt", text });
    expect(await call("file.read", { path: "a/b/c.txt" })).toMatchObject({ content: text, truncated: false });
    await call("file.write", { path: "seeded.txt", text: "after\n" });
    const { patch } = await call("diff");
    expect(patch).toContain("-before\n+after\n");
    expect(patch).toContain("+++ b/a/b/c.txt\n");
  });
});
