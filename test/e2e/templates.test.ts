import { appendFile, chmod, open, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pyro, TestCache } from "../helpers/cli.ts";
import { describeWithVm } from "../helpers/vm.ts";

describeWithVm("templates", () => {
  let cache: TestCache;
  beforeEach(async () => {
    cache = await TestCache.create();
  });
  afterEach(() => cache[Symbol.asyncDispose]());

  const run = () => pyro(["run", "debian:12", "--", "echo", "works"], { env: cache.env });
  const templateFile = async (file: string) => {
    const [key = ""] = await readdir(join(cache.dir, "templates"));
    return join(cache.dir, "templates", key, file);
  };

  test("are built once however many processes ask at the same time", async () => {
    const results = await Promise.all([run(), run(), run(), run()]);
    expect(results.map(({ stdout }) => stdout.toString())).toEqual(Array(4).fill("works\n"));
    expect(results.filter(({ stderr }) => stderr.includes("phase=build-template"))).toHaveLength(1);
    expect(await readdir(join(cache.dir, "templates"))).toHaveLength(1);
  });

  test.each([
    ["memory", "changed in the middle", async (path: string) => overwrite(path, 4096 * 1000)],
    ["device-state", "cut short", async (path: string) => truncate(path, 1000)],
    ["root.qcow2", "longer than it was", async (path: string) => appendFile(path, "x")],
    ["template.json", "not JSON", async (path: string) => writeFile(path, "{")],
  ])("are rebuilt when %s is %s, and doctor says what to do", async (file, _how, damage) => {
    await run();
    const path = await templateFile(file);
    await chmod(path, 0o600);
    await damage(path);
    const diagnosis = await pyro(["doctor"], { env: cache.env });
    expect(diagnosis.exitCode).toBe(1);
    expect(diagnosis.stdout.toString()).toMatch(/template of 'debian:12' is damaged: .*pyro prepare debian:12 --force/);
    const next = await run();
    expect(next.stdout.toString()).toBe("works\n");
    expect(next.stderr).toContain("phase=build-template environment=debian:12 the old one is damaged");
    expect((await pyro(["doctor"], { env: cache.env })).exitCode).toBe(0);
  });

  test("are kept within their budget, the least recently used going first", async () => {
    const env = { ...cache.env, PYRO_TEMPLATE_BUDGET_MIB: "1" };
    await pyro(["run", "debian:12", "--", "true"], { env });
    await pyro(["run", "debian:12", "--mem-mib", "512", "--", "true"], { env });
    expect(await readdir(join(cache.dir, "templates"))).toHaveLength(1);
  });
});

async function overwrite(path: string, position: number): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(Buffer.from("damage"), 0, 6, position);
}
