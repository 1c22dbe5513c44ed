import { afterAll, beforeAll, expect, test } from "vitest";
import { Pyro } from "../../src/index.ts";
import { TestCache } from "../helpers/cli.ts";
import { virtualMachinesOf } from "../helpers/processes.ts";
import { copySharedTemplates } from "../helpers/templates.ts";
import { describeWithVm } from "../helpers/vm.ts";

describeWithVm("the library", () => {
  let cache: TestCache;
  let pyro: Pyro;
  beforeAll(async () => {
    cache = await TestCache.create();
    copySharedTemplates(cache);
    pyro = new Pyro({ env: { ...process.env, ...cache.env } });
    await pyro.prepare();
  });
  afterAll(() => cache[Symbol.asyncDispose]());

  test("runs a command and returns what it said", async () => {
    const result = await pyro.run({
      environment: "debian:12",
      command: ["sh", "-c", "echo out; echo err >&2; exit 3"],
    });
    expect(result).toMatchObject({ exitCode: 3, stdout: "out\n", stderr: "err\n", executionMode: "guest" });
  });

  test("runs a text in the guest's shell", async () => {
    const result = await pyro.run({ environment: "debian:12", command: "printf '%s ' {1..3}; exit $((1 + 1))" });
    expect(result).toMatchObject({ exitCode: 2, stdout: "1 2 3 ", stdoutBytes: 6, stderrBytes: 0 });
    expect(result.command).toEqual(["printf '%s ' {1..3}; exit $((1 + 1))"]);
  });

  test("hands over output as it comes", async () => {
    const seen: string[] = [];
    const streams = { onStdout: (chunk: Buffer) => void seen.push(chunk.toString()), onStderr: () => {} };
    const result = await pyro.run({ environment: "debian:12", command: ["echo", "hello"] }, { streams });
    expect(seen.join("")).toBe("hello\n");
    expect(result.stdout).toBe("");
  });

  test("cancels a command, and its machine is gone", async () => {
    const controller = new AbortController();
    const streams = { onStdout: () => controller.abort(), onStderr: () => {} };
    const work = pyro.run(
      { environment: "debian:12", command: ["sh", "-c", "echo up; sleep 300"] },
      { streams, signal: controller.signal },
    );
    await expect(work).rejects.toMatchObject({ code: "cancelled" });
    expect(await virtualMachinesOf(cache.dir)).toEqual([]);
  });
});
