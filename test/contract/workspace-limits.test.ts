import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TestCache } from "../helpers/cli.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { WorkspaceWithoutVm } from "../helpers/namespaces/workspace.ts";
import { type Json, sdkSurface } from "../helpers/surfaces.ts";

/** At 16 KiB an inode it has 33,280, all of which a test can use up */
const diskMib = 520;

describeWithNamespaces("a workspace at its limits", () => {
  let cache: TestCache;
  let workspace: WorkspaceWithoutVm;
  beforeEach(async () => {
    cache = await TestCache.create();
    workspace = await WorkspaceWithoutVm.start(cache, { "seeded.txt": "before\n" }, { diskMib });
  });
  afterEach(async () => {
    await workspace[Symbol.asyncDispose]();
    await cache[Symbol.asyncDispose]();
  });

  const call = (operation: string, input: object = {}): Promise<Json> =>
    sdkSurface(cache.env).call(`workspace.${operation}`, { workspaceId: workspace.workspaceId, ...input });
  const sh = async (script: string) => (await call("exec", { command: ["sh", "-c", script] })) as Json;
  const write = { path: "new.txt", text: "x".repeat(10_000) };
  const refusedWrite = () =>
    sdkSurface(cache.env).refusal("workspace.file.write", { workspaceId: workspace.workspaceId, ...write });

  test("with 33,000 files, the last inode among them, answers every call", async () => {
    const filled = await sh("mkdir -p d/e; seq 40000 | (cd d/e; xargs -n 5000 touch)");
    expect(filled.stderr).toContain("No space left on device");
    const added = Number((await sh("find d | wc -l")).stdout);
    expect(added).toBeGreaterThan(30_000);

    const { entries, truncated } = await call("file.list", { path: "/workspace/d", recursive: true });
    expect([entries.length, truncated]).toEqual([added - 1, false]);
    expect((await call("diff")).summary).toMatchObject({ total: added, added });
    expect(await call("summary")).toMatchObject({ changes: { available: true } });
    const outputPath = join(cache.dir, "exported");
    expect(await call("export", { path: "/workspace", outputPath })).toMatchObject({ entry_count: added + 2 });
    expect(execFileSync("sh", ["-c", 'find "$1" | wc -l', "sh", outputPath]).toString().trim()).toBe(String(added + 2));
    await rm(outputPath, { recursive: true });

    expect(await refusedWrite()).toMatchObject({
      code: "resource_exhausted",
      message: expect.stringContaining("no space"),
    });
    await sh("rm -r d/e/1*");
    expect(await call("file.write", write)).toMatchObject({ bytes_written: 10_000 });
  });

  test("with a full disk answers every call, and exports what was never written as holes", async () => {
    const filled = await sh(
      "mkdir d; echo kept > d/kept; fallocate -l 380M hole; i=0; while fallocate -l 2M more.$i; do i=$((i + 1)); done; dd if=/dev/zero of=last bs=4k",
    );
    expect(filled.stderr).toContain("No space left on device");
    expect((await call("diff")).summary.added).toBeGreaterThan(10);
    expect((await call("file.list", { path: "/workspace" })).entries.length).toBeGreaterThan(10);
    await call("summary");
    expect(await refusedWrite()).toMatchObject({ code: "resource_exhausted" });
    const outputPath = join(cache.dir, "exported");
    await call("export", { path: "/workspace", outputPath });
    const usedKib = Number(execFileSync("du", ["-sk", outputPath]).toString().split("\t")[0]);
    expect(usedKib).toBeLessThan(100_000);
    await sh("rm hole");
    expect(await call("file.write", write)).toMatchObject({ bytes_written: 10_000 });
  });
});
