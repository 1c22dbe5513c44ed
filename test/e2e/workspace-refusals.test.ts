import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pyroInProcess } from "../helpers/cli-in-process.ts";
import { cliSurface, type Surface } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

/** Each surface says in its own terms what to do. */
const startOnSurface = {
  cli: (id: string) => `Run \`pyro workspace start ${id}\``,
  sdk: (id: string) => `Call \`pyro.workspace.start({ workspaceId: "${id}" })\``,
  mcp: (id: string) => `Call \`workspace_start(workspace_id="${id}")\``,
};

describeWithVm("what a workspace refuses", () => {
  let bench: Workbench;
  let id: string;
  let stopped: string;
  beforeAll(async () => {
    bench = await Workbench.create();
    [id, stopped] = [await bench.create(), await bench.create()];
    await bench.output(["snapshot", "create", id, "one"]);
    await bench.output(["stop", stopped]);
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  describe.each(["cli", "sdk", "mcp"] as const)("through the %s", (which) => {
    let surface: Surface;
    beforeAll(() => {
      surface = which === "cli" ? cliSurface(bench.env, pyroInProcess) : bench[which];
    });
    const refusal = (operation: string, input: object) => surface.refusal(`workspace.${operation}`, { ...input });

    test.each([
      ["exec", { command: ["true"] }],
      ["file.read", { path: "a" }],
      ["file.list", {}],
      ["file.write", { path: "a", text: "x" }],
      ["patch.apply", { patch: "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n" }],
      ["sync.push", { sourcePath: import.meta.dirname }],
      ["diff", {}],
      ["export", { path: "a", outputPath: "/tmp/pyro-never" }],
      ["snapshot.create", { snapshotName: "x" }],
    ])("%s, while it is stopped", async (operation, input) => {
      expect(await refusal(operation, { workspaceId: stopped, ...input })).toMatchObject({
        code: "failed_precondition",
        message: `workspace '${stopped}' is not running, it is stopped`,
        hint: `${startOnSurface[which](stopped)}; its files are kept.`,
        details: { state: "stopped" },
      });
    });

    test.each([
      ["a second snapshot of a name", "snapshot.create", { snapshotName: "one" }, "already_exists"],
      ["a snapshot named baseline", "snapshot.create", { snapshotName: "baseline" }, "already_exists"],
      ["a snapshot with a slash", "snapshot.create", { snapshotName: "a/b" }, "invalid_argument"],
      ["a snapshot that is not there", "snapshot.delete", { snapshotName: "two" }, "not_found"],
      ["the end of the baseline", "snapshot.delete", { snapshotName: "baseline" }, "failed_precondition"],
      ["a reset to nothing", "reset", { snapshot: "two" }, "not_found"],
      ["a bad label", "update", { labels: { "a b": "x" } }, "invalid_argument"],
      ["a source that is not there", "sync.push", { sourcePath: "/nonexistent" }, "not_found"],
      ["a source that is no archive", "sync.push", { sourcePath: "/etc/passwd" }, "invalid_argument"],
      ["a destination outside", "sync.push", { sourcePath: import.meta.dirname, dest: "/etc" }, "invalid_argument"],
      ["a patch that does not fit", "patch.apply", { patch: "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n" }, "not_found"],
      ["an export of nothing", "export", { path: "absent", outputPath: "/tmp/pyro-never" }, "not_found"],
      ["an export over something", "export", { path: ".", outputPath: "/tmp" }, "already_exists"],
      ["an export where no folder is", "export", { path: ".", outputPath: "/nonexistent/a" }, "not_found"],
    ])("%s", async (_what, operation, input, code) => {
      const refused = await refusal(operation, { workspaceId: id, ...input });
      expect(refused.code, refused.message).toBe(code);
      expect(refused.message).not.toMatch(/\n|\.$/);
    });

    test("one more than may run", async () => {
      const limited = which === "cli" ? bench.withLimit(1).cli : bench.withLimit(1).sdk;
      for (const [operation, input] of [
        ["create", { environment: "debian:12" }],
        ["start", { workspaceId: stopped }],
      ] as const) {
        expect(await limited.refusal(`workspace.${operation}`, input)).toMatchObject({
          code: "resource_exhausted",
          hint: expect.stringContaining("PYRO_MAX_ACTIVE_WORKSPACES"),
          message: expect.stringMatching(
            /^cannot (create a workspace|start workspace '\w+'): 1 workspace is running, which is the limit$/,
          ),
        });
      }
      expect((await bench.leftovers()).toSorted()).toEqual([id, stopped].toSorted());
      expect(await limited.call("workspace.reset", { workspaceId: id })).toMatchObject({ state: "started" });
    });
  });

  test("a process of its own refuses as this one does, with an exit code", async () => {
    const result = await bench.run(["exec", stopped, "--json", "--", "true"]);
    expect(result.json()).toMatchObject({ ok: false, error: { code: "failed_precondition" } });
    expect(result.exitCode).toBe(125);
  });

  test("leaves it as it was", async () => {
    expect(await bench.sh(id, "ls -A; cat /proc/uptime > /dev/null && echo alive")).toBe("alive\n");
    expect(await bench.json(["status", stopped])).toMatchObject({ state: "stopped", command_count: 0 });
  });
});
