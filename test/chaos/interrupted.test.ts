import { readdir } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { describeWithVm } from "../helpers/vm.ts";
import { listAll, operationsOn } from "./operations.ts";
import { honestCodes } from "./ordeal.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";
import { signalTo, World } from "./world.ts";

const creations = sizeFromEnvironment("CHAOS_CREATIONS", 2);

async function interruptCreation(world: World, random: Random): Promise<void> {
  const creation = world.start({ args: ["create", "debian:12"] });
  await setTimeout(random.between(50, 1_200));
  const victims: readonly string[] = random.pick([["client"], ["supervisor"], ["qemu"], ["client", "supervisor"]]);
  if (victims.includes("client")) creation.kill();
  for (const { kind, pid } of await world.processes()) if (victims.includes(kind)) signalTo(pid, "SIGKILL");
  const outcome = await creation.outcome;
  if (outcome.kind === "failed") expect(honestCodes, outcome.message).toContain(outcome.code);
  const { workspaces } = (await world.must(listAll)) as { workspaces?: { workspace_id: string }[] };
  if (outcome.kind === "failed") expect(workspaces).toEqual([]);
  for (const { workspace_id: id } of workspaces ?? []) await world.must(operationsOn(id).delete());
  await world.expectNothingLeft({ wereBootsKilled: true });
}

describeWithVm("what is interrupted", () => {
  test("a supervisor that slept does not do what it was said not to have done", async () => {
    await using world = await World.create();
    const id = await world.createWorkspace();
    const does = operationsOn(id);
    const supervisor = (await world.processes()).find(({ kind }) => kind === "supervisor");
    if (!supervisor) throw new Error("there is no supervisor");
    signalTo(supervisor.pid, "SIGSTOP");
    const calls = {
      label: does.label("said", "no"),
      write: does.write("written.txt", "text\n"),
      exec: does.exec(["touch", "/workspace/touched.txt"]),
      snapshot: does.snapshot("kept"),
    };
    const outcomes = await Promise.all(Object.values(calls).map((call) => world.run(call)));
    signalTo(supervisor.pid, "SIGCONT");
    await world.run(does.dropSnapshot("no-such-snapshot"));
    await world.must(does.exec(["sleep", "1"]));

    const { labels } = await world.must(does.status());
    const { entries } = (await world.must(does.files())) as { entries?: { path: string }[] };
    const { snapshots } = (await world.must(does.snapshots())) as { snapshots?: { snapshot_name: string }[] };
    const isDone: Readonly<Record<string, boolean>> = {
      label: JSON.stringify(labels) !== "{}",
      write: entries?.some(({ path }) => path.endsWith("written.txt")) ?? false,
      exec: entries?.some(({ path }) => path.endsWith("touched.txt")) ?? false,
      snapshot: snapshots?.some(({ snapshot_name: name }) => name === "kept") ?? false,
    };
    const told = Object.keys(calls).map((name, index) => [name, outcomes[index]] as const);
    const lies = told.flatMap(([name, outcome]) =>
      outcome?.kind === "failed" && outcome.code === "unavailable" && isDone[name]
        ? [`${name}: ${outcome.message}`]
        : [],
    );
    expect(lies).toEqual([]);
    await world.must(does.delete());
    await world.expectNothingLeft();
  }, 300_000);

  test(
    "a creation leaves a workspace, or one that can be deleted, or none",
    async () => {
      const random = new Random(chosenSeed("creation"));
      await using world = await World.create();
      for (let round = 0; round < creations; round++) await interruptCreation(world, random);
    },
    60_000 + creations * 60_000,
  );

  test("what an interrupted creation has left is no workspace, or begins anew", async () => {
    await using world = await World.create();
    const creation = world.start({ args: ["create", "debian:12"] });
    let id: string | undefined;
    while (id === undefined || (await world.record(id))?.["guardian"] == null) {
      [id] = (await readdir(world.workspacesDir).catch(() => [])).filter((name) => /^[0-9a-f]{12}$/.test(name));
      await setTimeout(5);
    }
    // Neither of the two may see the other's end, and clean up.
    signalTo(creation.pid ?? 0, "SIGSTOP");
    for (const { kind, pid } of await world.processes()) if (kind === "supervisor") signalTo(pid, "SIGKILL");
    creation.kill();
    await creation.outcome;
    const does = operationsOn(id);
    const reset = await world.run(does.reset());
    if (reset.kind === "done") {
      expect(await world.must(does.exec(["echo", "fine"]))).toMatchObject({ stdout: "fine\n" });
      await world.must(does.delete());
    } else expect(reset).toMatchObject({ kind: "failed", code: "not_found" });
    await world.expectNothingLeft({ wereBootsKilled: true });
  });
});
