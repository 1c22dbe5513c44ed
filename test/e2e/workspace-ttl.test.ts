import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, killIfThere } from "../helpers/processes.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

/** Time enough for what each test does before, on a busy machine */
const ttlSeconds = 45;
const goneWithinMs = 100_000;

describeWithVm("a workspace whose time is over is removed", () => {
  let bench: Workbench;
  let running: string;
  let stopped: string;
  let orphaned: string;
  let restarted: string;
  /** Their times run out together, while one test after another waits. */
  beforeAll(async () => {
    bench = await Workbench.create();
    // Builds the template, which may take longer than the time to live.
    await bench.output(["delete", await bench.create()]);
    const create = () => bench.create({ ttlSeconds });
    [running, stopped, orphaned, restarted] = [await create(), await create(), await create(), await create()];
    await bench.output(["stop", stopped]);
    const supervisor = (await processesNaming(orphaned)).find(({ commandLine }) => !commandLine.startsWith("sh "));
    expect(supervisor?.commandLine).toContain("supervisor.js");
    killIfThere(supervisor?.pid ?? 0);
    await bench.output(["stop", restarted]);
    await bench.output(["start", restarted]);
    expect(await bench.sh(restarted, "echo alive")).toBe("alive\n");
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const processesNaming = async (id: string) =>
    (await bench.processes()).filter(({ commandLine }) => commandLine.includes(id));
  const expectGone = async (id: string) => {
    const isGone = async () => !(await bench.leftovers()).includes(id) && (await processesNaming(id)).length === 0;
    await eventually(isGone, goneWithinMs, "its files and processes are gone, without a call");
  };

  test("with its processes, without a call", () => expectGone(running));

  test("when it was stopped", () => expectGone(stopped));

  test("when its supervisor was killed", () => expectGone(orphaned));

  test("when it was started for a second time", () => expectGone(restarted));

  test("without a trace", async () => {
    await eventually(async () => (await bench.processes()).length === 0, goneWithinMs, "all processes are gone");
    expect(await bench.leftovers()).toEqual([]);
    const { count }: Json = await bench.cli.call("workspace.list");
    expect(count).toBe(0);
    expect(await bench.cli.refusal("workspace.status", { workspaceId: running })).toMatchObject({ code: "not_found" });
  });
});
