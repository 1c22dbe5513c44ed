import { spawnSync } from "node:child_process";
import { appendFile, chmod, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listTemplates } from "../../src/machines/templates/store.ts";
import { pyro, pyroPath, TestCache } from "../helpers/cli.ts";
import { copySharedTemplates } from "../helpers/templates.ts";
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

  const diagnose = () => pyro(["doctor"], { env: cache.env });

  test("that are damaged in any way are found by doctor, which says what to do", async () => {
    for (const [file, damage] of [
      ["memory", (path: string) => overwrite(path, 4096 * 1000)],
      ["device-state", (path: string) => truncate(path, 1000)],
      ["root.qcow2", (path: string) => appendFile(path, "x")],
      ["template.json", (path: string) => writeFile(path, "{")],
    ] as const) {
      copySharedTemplates(cache);
      const path = await templateFile(file);
      await chmod(path, 0o600);
      await damage(path);
      const { exitCode, stdout } = await diagnose();
      expect(exitCode, file).toBe(1);
      expect(stdout.toString(), file).toMatch(/template of 'debian:12' is damaged: .*pyro prepare debian:12 --force/);
      await rm(join(cache.dir, "templates"), { recursive: true });
    }
  });

  test("that are damaged are rebuilt when they are used", async () => {
    copySharedTemplates(cache);
    const path = await templateFile("memory");
    await chmod(path, 0o600);
    await overwrite(path, 4096 * 1000);
    const next = await run();
    expect(next.stdout.toString()).toBe("works\n");
    expect(next.stderr).toContain("phase=build-template environment=debian:12 the old one is damaged");
    expect((await diagnose()).exitCode).toBe(0);
  });

  test("are kept within their budget, the least recently used going first", async () => {
    const runWith = (memMib: string, budgetMib: string) =>
      pyro(["run", "debian:12", "--mem-mib", memMib, "--", "true"], {
        env: { ...cache.env, PYRO_TEMPLATE_BUDGET_MIB: budgetMib },
      });
    const keys = async () => new Set(await readdir(join(cache.dir, "templates")));
    await runWith("512", "4096");
    const [first] = await keys();
    await runWith("513", "4096");
    const [second] = [...(await keys())].filter((key) => key !== first);
    await runWith("512", "4096");
    // Room for two and a half: the third drives out the one that was not used again.
    const [{ allocatedBytes } = { allocatedBytes: 0 }] = await listTemplates(join(cache.dir, "templates"));
    await runWith("514", String(Math.floor((2.5 * allocatedBytes) / 1024 ** 2)));
    const left = await keys();
    expect(left.size).toBe(2);
    expect([left.has(first ?? ""), left.has(second ?? "")]).toEqual([true, false]);
  });

  test("that are gone make a prepared environment stale", async () => {
    copySharedTemplates(cache);
    await pyro(["prepare"], { env: cache.env });
    await rm(join(cache.dir, "templates"), { recursive: true });
    const diagnosis = await pyro(["doctor"], { env: cache.env });
    expect(diagnosis.stdout.toString()).toContain("Daily loop: STALE (debian:12): its template is gone\n");
    expect((await pyro(["prepare", "--json"], { env: cache.env })).json()).toMatchObject({ executed: true });
  });

  test("are found again, and not rebuilt, when the cache was copied", async () => {
    copySharedTemplates(cache);
    const result = await run();
    expect(result.stdout.toString()).toBe("works\n");
    expect(result.stderr).not.toContain("build-template");
  });

  test("can be built and used under any umask", async () => {
    const command = `umask 077; exec '${process.execPath}' '${pyroPath}' run debian:12 -- echo works`;
    const { stdout } = spawnSync("sh", ["-c", command], { env: { ...process.env, ...cache.env }, encoding: "utf8" });
    expect(stdout).toBe("works\n");
  });
});

async function overwrite(path: string, position: number): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(Buffer.from("damage"), 0, 6, position);
}
