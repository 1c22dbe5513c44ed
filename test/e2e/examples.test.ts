import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resultOf, TestCache } from "../helpers/cli.ts";
import { describeWithVm } from "../helpers/vm.ts";

const packageDir = fileURLToPath(new URL("../..", import.meta.url));

/** What docs/sdk.md shows, as it is shown. */
const examples = {
  "fix-a-bug": [
    "before: exit code 1",
    "after: exit code 0, isolated by qemu",
    "changed: 1 modified, 1 added",
    "exported: ok",
  ],
  checkpoints: ["back at: first try, python3 exits with 0"],
  cancel: ["cancelled, after it had printed: working"],
  embed: ["tools: 11, the first is workspace_create", 'workspaces: {"count":0,"workspaces":[]}'],
};

describeWithVm("the examples of the library", () => {
  let cache: TestCache;
  beforeAll(async () => {
    cache = await TestCache.create();
  });
  afterAll(() => cache[Symbol.asyncDispose]());

  test.each(Object.entries(examples))("%s does what it says", async (name, lines) => {
    const env = { ...process.env, ...cache.env };
    const child = spawn(process.execPath, ["--import", "tsx", `examples/${name}.ts`], { cwd: packageDir, env });
    const { exitCode, stdout, stderr } = await resultOf(child);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.toString().trim().split("\n")).toEqual(lines);
  });
});
