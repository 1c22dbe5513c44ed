import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pyro, TestCache } from "../helpers/cli.ts";
import { describeWithVm } from "../helpers/vm.ts";

describeWithVm("pyro prepare", () => {
  let cache: TestCache;
  beforeAll(async () => {
    cache = await TestCache.create();
  });
  afterAll(() => cache[Symbol.asyncDispose]());

  const prepare = async (...flags: string[]) =>
    (await pyro(["prepare", "--json", ...flags], { env: cache.env })).json();
  const dailyLoop = async () => (await pyro(["doctor", "--json"], { env: cache.env })).json()["daily_loop"];
  const manifestPath = () => join(cache.dir, "facts", "prepared-debian-12.json");

  test("goes from cold to warm, and then has nothing to do", async () => {
    expect(await dailyLoop()).toMatchObject({ status: "cold", environment: "debian:12" });
    expect(await prepare()).toMatchObject({
      prepared: true,
      executed: true,
      reused: false,
      forced: false,
      network_prepared: false,
    });
    expect(await dailyLoop()).toMatchObject({ status: "warm" });
    expect(await prepare()).toMatchObject({ prepared: true, executed: false, reused: true });
  });

  test("proves everything again with --force", async () => {
    const before = await prepare();
    const after = await prepare("--force");
    expect(after).toMatchObject({ executed: true, forced: true, reused: false });
    expect(after["prepared_at"]).not.toBe(before["prepared_at"]);
  });

  test("is stale, with the reason, when a recorded version changed", async () => {
    const manifest = JSON.parse(await readFile(manifestPath(), "utf8")) as Record<string, unknown>;
    await writeFile(manifestPath(), JSON.stringify({ ...manifest, runtime_version: "0.0.1" }));
    expect(await dailyLoop()).toMatchObject({
      status: "stale",
      reason: expect.stringContaining("pyro's version changed from 0.0.1"),
    });
    expect(await prepare()).toMatchObject({ executed: true });
    expect(await dailyLoop()).toMatchObject({ status: "warm" });
  });

  test("is stale when its manifest cannot be read, and recovers", async () => {
    await writeFile(manifestPath(), "not json");
    expect(await dailyLoop()).toMatchObject({ status: "stale", reason: expect.stringContaining("cannot be read") });
    expect(await prepare()).toMatchObject({ executed: true });
  });

  test("proves a guest's network on demand, and a warm manifest without that is not enough", async () => {
    const doctor = async () => (await pyro(["doctor", "--json"], { env: cache.env })).json()["capabilities"];
    expect(await doctor()).toMatchObject({ guest_network: false });
    const proved = { network_prepared: true, network_requested: true };
    expect(await prepare("--network")).toMatchObject({ executed: true, ...proved });
    expect(await doctor()).toMatchObject({ guest_exec: true, guest_network: true });
    expect(await prepare("--network")).toMatchObject({ reused: true, ...proved });
    expect(await prepare()).toMatchObject({ reused: true, network_prepared: true });
  });

  test("demo runs end to end and cleans up", async () => {
    const result = await pyro(["demo"], { env: cache.env });
    expect(result.json()).toMatchObject({ exit_code: 0, execution_mode: "guest", cleanup: { deleted: true } });
  });
});
