import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithVm } from "../helpers/vm.ts";
import type { Operation, Outcome, SdkClient } from "./clients.ts";
import { type FaultCode, Faults, faultCodes } from "./faults/faults.ts";
import { listAll, operationsOn, type WorkspaceOperations } from "./operations.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";
import { World } from "./world.ts";

type Value = Readonly<Record<string, unknown>>;

/** One change in so many fails; `make chaos` has all of them fail */
const everyNth = sizeFromEnvironment("CHAOS_EVERY_NTH_FAULT", 3);

/** What a caller is told of each fault */
const codeOf: Readonly<Record<FaultCode, string>> = {
  ENOSPC: "resource_exhausted",
  EROFS: "failed_precondition",
  EIO: "failed_precondition",
};
/** `cannot VERB NOUN: REASON`, or what has happened and what has not, in words of pyro's own */
const clearMessage = /^(?:cannot |the )(?!.*injected)/;

describeWithVm("a disk that fails at each change of a file in turn", () => {
  let world: World;
  let faults: Faults;
  let client: SdkClient;
  let random: Random;
  beforeAll(async () => {
    random = new Random(chosenSeed("faults"));
    world = await World.create();
    faults = new Faults(join(world.dir, "faults"), `${world.dir}/`);
    client = world.newSdkClient(faults.env);
  });
  afterAll(async () => {
    await world.expectNothingLeft().finally(() => world[Symbol.asyncDispose]());
  });

  const run = (operation: Operation): Promise<Outcome> => client.call(operation).outcome;
  async function must(operation: Operation): Promise<Value> {
    const outcome = await run(operation);
    if (outcome.kind !== "done") throw new Error(`'${operation.args.join(" ")}': ${JSON.stringify(outcome)}`);
    return outcome.value;
  }
  const create: Operation = { path: ["create"], args: ["create"], input: { environment: "debian:12" } };
  const idOf = (value: Value) => String(value["workspace_id"]);

  function expectClear(outcome: Outcome, at: string, code: FaultCode): void {
    if (outcome.kind === "done") return;
    const { kind, ...said } = outcome;
    expect({ at, kind, ...said }).toEqual({
      at,
      kind: "failed",
      code: codeOf[code],
      message: expect.stringMatching(clearMessage),
    });
  }

  /** Lets `work` fail at each of its changes in turn, and looks each time at what it has left. */
  async function failEverywhere(
    allKeys: readonly string[],
    work: () => Promise<Outcome>,
    check: (outcome: Outcome) => Promise<void>,
  ): Promise<void> {
    let failures = 0;
    const shift = random.between(0, faultCodes.length - 1);
    const first = random.between(0, everyNth - 1);
    const keys = allKeys.filter((_, index) => index % everyNth === first);
    for (const [index, key] of keys.entries()) {
      const code = faultCodes[(index + shift) % faultCodes.length] ?? "EIO";
      const at = `${code} at '${key}'`;
      const { outcome, isFired } = await faults.during(key, code, work);
      expect({ at, isFired }).toEqual({ at, isFired: true });
      expectClear(outcome, at, code);
      if (outcome.kind === "failed") failures += 1;
      try {
        await check(outcome);
      } catch (error) {
        throw new Error(`after ${at}, which ended as ${outcome.kind}: ${String(error)}`, { cause: error });
      }
    }
    // Some changes may fail unnoticed, and a sample can have only such.
    if (everyNth === 1) expect(failures).toBeGreaterThan(0);
  }

  test("a workspace is created whole or not at all", async () => {
    // A first use, each time
    const forget = async () => {
      for (const name of ["cache/seeds", "cache/facts", "cache/locks", "cache/scratch", "state"]) {
        await rm(join(world.dir, name), { recursive: true, force: true });
      }
    };
    let first = "";
    const keys = await faults.trace(async () => {
      first = idOf(await must(create));
    });
    await must(operationsOn(first).delete());
    await failEverywhere(
      keys,
      async () => {
        await forget();
        return run(create);
      },
      async (outcome) => {
        if (outcome.kind === "done") await must(operationsOn(idOf(outcome.value)).delete());
        expect((await must(listAll))["workspaces"]).toEqual([]);
        expect(await readdir(world.workspacesDir).catch(() => [])).toEqual([]);
      },
    );
  });

  let id = "";
  let does: WorkspaceOperations;
  let lines = 0;

  async function newWorkspace(): Promise<void> {
    id = idOf(await must(create));
    does = operationsOn(id);
    await must(does.write("kept", "kept\n"));
  }

  const exec = () => does.exec(["sh", "-c", `echo ${++lines} >line; echo out; echo err >&2`]);

  /** It works, and has what was there before */
  async function expectUsable(): Promise<void> {
    const { exit_code: exitCode, stdout } = await must(does.exec(["cat", "kept"]));
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "kept\n" });
    expect(await must(does.status())).toMatchObject({ state: "started" });
  }

  test("a command that is not recorded is not said to have run", async () => {
    await newWorkspace();
    await must(exec());
    await failEverywhere(
      await faults.trace(() => must(exec())),
      () => run(exec()),
      async () => {
        await expectUsable();
        const { entries } = (await must(does.logs())) as { entries: readonly Value[] };
        expect(entries.filter(({ state }) => state !== "ended")).toEqual([]);
      },
    );
  });

  test("a file is written, with a record of it, or the caller is told which of the two is missing", async () => {
    const write = () => does.write("written", `${++lines}\n`);
    await failEverywhere(await faults.trace(() => must(write())), () => run(write()), expectUsable);
    const { edits } = (await must(does.summary())) as { edits: { recent: readonly Value[] } };
    expect(edits.recent.length).toBeGreaterThan(0);
  });

  test("a snapshot is made whole or not at all", async () => {
    const names: string[] = [];
    const snapshot = () => {
      names.push(`s${names.length}`);
      return does.snapshot(names.at(-1) ?? "");
    };
    await failEverywhere(
      await faults.trace(() => must(snapshot())),
      () => run(snapshot()),
      async (outcome) => {
        await expectUsable();
        const { snapshots } = (await must(does.snapshots())) as { snapshots: readonly Value[] };
        const isThere = snapshots.some((found) => found["snapshot_name"] === names.at(-1));
        expect(isThere).toBe(outcome.kind === "done");
        if (isThere) await must(does.dropSnapshot(names.at(-1) ?? ""));
      },
    );
  });

  test("a reset that fails leaves what was there", async () => {
    await must(does.snapshot("before"));
    const reset = () => does.reset("before");
    let resets = Number((await must(does.status()))["reset_count"]);
    const keys = await faults.trace(async () => {
      await must(reset());
      resets += 1;
    });
    await failEverywhere(
      keys,
      () => run(reset()),
      async (outcome) => {
        if (outcome.kind === "done") resets += 1;
        await expectUsable();
        expect(await must(does.status())).toMatchObject({ reset_count: resets });
      },
    );
    await must(does.delete());
  });
});
