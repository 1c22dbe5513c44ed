import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestSparseFile } from "../../src/host/sparse-digest.ts";
import { pyro, TestCache } from "../helpers/cli.ts";
import { virtualMachinesOf } from "../helpers/processes.ts";
import { copySharedTemplates } from "../helpers/templates.ts";
import { describeWithVm } from "../helpers/vm.ts";

const forkCount = 10;
/** One line each: random bytes, hostname, machine id, the guest's clock in seconds */
const witness =
  "head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n'; echo; hostname; cat /etc/machine-id; date +%s.%N";

describeWithVm("ten forks at once", () => {
  let cache: TestCache;
  let outputs: { lines: string[]; startedMs: number; endedMs: number; exitCode: number | null }[];
  let before: string[];

  beforeAll(async () => {
    cache = await TestCache.create();
    copySharedTemplates(cache);
    await pyro(["prepare", "debian:12"], { env: cache.env });
    before = await templateDigests(cache);
    outputs = await Promise.all(
      Array.from({ length: forkCount }, async () => {
        const startedMs = Date.now();
        const result = await pyro(["run", "debian:12", "--", "sh", "-c", witness], { env: cache.env });
        const lines = result.stdout.toString().trim().split("\n");
        return { lines, startedMs, endedMs: Date.now(), exitCode: result.exitCode };
      }),
    );
  });
  afterAll(() => cache[Symbol.asyncDispose]());

  test("all succeed", () => {
    expect(outputs.map(({ exitCode }) => exitCode)).toEqual(Array(forkCount).fill(0));
  });

  test.each(["random bytes", "hostname", "machine id"])("share no %s", (what) => {
    const index = ["random bytes", "hostname", "machine id"].indexOf(what);
    const values = outputs.map(({ lines }) => lines[index] ?? "");
    expect(values.every((value) => value.length > 8)).toBe(true);
    expect(new Set(values).size).toBe(forkCount);
  });

  test("have the host's time, to a second", () => {
    for (const { lines, startedMs, endedMs } of outputs) {
      const guestMs = Number(lines[3]) * 1000;
      expect(guestMs).toBeGreaterThan(startedMs - 1000);
      expect(guestMs).toBeLessThan(endedMs + 1000);
    }
  });

  test("leave no process and no file behind, and the template as it was", async () => {
    expect(await virtualMachinesOf(cache.dir)).toEqual([]);
    expect(await readdir(join(cache.dir, "scratch"))).toEqual([]);
    expect(await templateDigests(cache)).toEqual(before);
  });
});

async function templateDigests(cache: TestCache): Promise<string[]> {
  const templatesDir = join(cache.dir, "templates");
  const digests: string[] = [];
  for (const key of (await readdir(templatesDir)).toSorted()) {
    for (const file of (await readdir(join(templatesDir, key))).toSorted()) {
      digests.push(`${key}/${file} ${await digestSparseFile(join(templatesDir, key, file))}`);
    }
  }
  return digests;
}
