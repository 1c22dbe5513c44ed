import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { composeEngineContext } from "../../../../src/compose.ts";
import { Deferred } from "../../../../src/core/async.ts";
import { PyroError } from "../../../../src/core/errors.ts";
import { type NewMachine, OwnedWorkspace } from "../../../../src/workspaces/control/owned-workspace.ts";
import type { WorkspaceRecord } from "../../../../src/workspaces/record/record.ts";
import { findWorkspace, saveWorkspace, WorkspacePlace } from "../../../../src/workspaces/record/store.ts";
import { closedEgress } from "../../../helpers/closed-egress.ts";
import { FakeMachine } from "../../../helpers/fake-machine.ts";
import { eventually } from "../../../helpers/processes.ts";
import { workspaceRecord } from "../../../helpers/workspace-record.ts";

const soonMs = 20_000;

let dir: string;
let place: WorkspacePlace;
let first: FakeMachine;
let second: FakeMachine;
let workspace: OwnedWorkspace;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-owned-"));
  const context = composeEngineContext({ PYRO_STATE_DIR: join(dir, "state"), PYRO_CACHE_DIR: join(dir, "cache") });
  const record = workspaceRecord();
  place = new WorkspacePlace(context.layout.workspacesDir, record.workspaceId);
  await mkdir(place.disksDir, { recursive: true });
  await saveWorkspace(place, record);
  [first, second] = [new FakeMachine(), new FakeMachine()];
  workspace = await OwnedWorkspace.begin({
    context,
    place,
    record,
    machine: first.machine,
    egress: await closedEgress(),
    certificates: undefined,
  });
});
afterEach(async () => {
  await workspace.abandon();
  await rm(dir, { recursive: true, force: true });
});

const afterReset = { resetCount: 1, state: "started" } as const;
const newMachine = async (): Promise<NewMachine> => ({ machine: second.machine, change: afterReset });
const never = new AbortController().signal;

/** As a reset does it. */
function reset(make: (record: WorkspaceRecord) => Promise<NewMachine> = newMachine, signal = never): Promise<unknown> {
  return workspace.exclusively(() => workspace.swapMachine("the workspace was reset", make, signal));
}

async function onFile(): Promise<Partial<WorkspaceRecord> | "removed"> {
  const stored = await findWorkspace(join(place.dir, ".."), place.workspaceId).catch(() => undefined);
  return stored?.status === "ok" ? stored.record : "removed";
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "ok",
    (error: unknown) => PyroError.from(error).code,
  );
}

const isOver = () => Promise.race([workspace.ended.then(() => true), setImmediate(false)]);

interface Case {
  readonly name: string;
  /** The outcome of each call, in the order of the calls */
  run(): Promise<readonly string[]>;
  readonly outcomes: readonly string[];
  readonly record: Partial<WorkspaceRecord> | "removed";
  /** Whether each machine was closed: the first one, and the one of a reset */
  readonly closed: readonly [boolean, boolean];
  readonly over: boolean;
}

const cases: readonly Case[] = [
  {
    name: "a reset swaps the machine",
    run: async () => [await codeOf(reset())],
    outcomes: ["ok"],
    record: afterReset,
    closed: [true, false],
    over: false,
  },
  {
    name: "a reset that fails leaves the old machine",
    run: async () => [await codeOf(reset(() => Promise.reject(new PyroError("resource_exhausted", "no space"))))],
    outcomes: ["resource_exhausted"],
    record: { resetCount: 0, state: "started" },
    closed: [false, false],
    over: false,
  },
  {
    name: "a reset that is cancelled when the new machine is there leaves the old one",
    async run() {
      const controller = new AbortController();
      const make = async () => {
        controller.abort();
        return newMachine();
      };
      return [await codeOf(reset(make, controller.signal))];
    },
    outcomes: ["cancelled"],
    record: { resetCount: 0, state: "started" },
    closed: [false, true],
    over: false,
  },
  {
    name: "a reset whose record cannot be written leaves the old machine",
    async run() {
      const make = async () => {
        // No rename can put a file in the place of a folder with something in it.
        await rm(place.recordPath);
        await mkdir(join(place.recordPath, "in the way"), { recursive: true });
        return newMachine();
      };
      const outcome = await codeOf(reset(make));
      expect(workspace.record).toMatchObject({ resetCount: 0 });
      await rm(place.recordPath, { recursive: true });
      await workspace.update({});
      return [outcome];
    },
    outcomes: ["internal"],
    record: { resetCount: 0, state: "started" },
    closed: [false, true],
    over: false,
  },
  {
    name: "a call during a reset gets the new machine",
    async run() {
      const made = new Deferred();
      const resetting = reset(async () => {
        await made.promise;
        return newMachine();
      });
      await Promise.resolve();
      const session = workspace.session();
      made.resolve();
      await resetting;
      await (await session).machine.close();
      await workspace.ended;
      return [String(second.isClosed)];
    },
    outcomes: ["true"],
    record: { resetCount: 1, state: "failed" },
    closed: [true, true],
    over: true,
  },
  {
    name: "a delete during a reset ends both machines, and the reset does not come back",
    async run() {
      const made = new Deferred();
      const resetting = reset(async () => {
        await made.promise;
        return newMachine();
      });
      await Promise.resolve();
      const deleting = workspace.delete("the workspace was deleted");
      made.resolve();
      return [await codeOf(resetting), await codeOf(deleting), await codeOf(reset())];
    },
    outcomes: ["ok", "ok", "unavailable"],
    record: "removed",
    closed: [true, true],
    over: true,
  },
  {
    name: "a machine that dies is the workspace's failure",
    async run() {
      first.die(1);
      await workspace.ended;
      return [await codeOf(workspace.session())];
    },
    outcomes: ["failed_precondition"],
    record: { state: "failed", stateReason: "its machine ended (exit code 1; the last line)" },
    closed: [true, false],
    over: true,
  },
  {
    name: "a start of a workspace that runs changes nothing",
    run: async () => [await codeOf(workspace.running())],
    outcomes: ["ok"],
    record: { state: "started" },
    closed: [false, false],
    over: false,
  },
  {
    name: "what comes while the end of the machine is put on file has not happened",
    async run() {
      first.die(1);
      await eventually(async () => (await codeOf(workspace.session())) !== "ok", soonMs, "the end is noticed");
      return Promise.all([codeOf(workspace.running()), codeOf(reset())]);
    },
    outcomes: ["unavailable", "unavailable"],
    record: { state: "failed" },
    closed: [true, false],
    over: true,
  },
  {
    name: "a start during a stop waits for its end, and has not happened",
    run() {
      const stopping = codeOf(workspace.exclusively(() => workspace.stop("the workspace was stopped")));
      return Promise.all([stopping, setImmediate().then(() => codeOf(workspace.running()))]);
    },
    outcomes: ["ok", "unavailable"],
    record: { state: "stopped" },
    closed: [true, false],
    over: true,
  },
  {
    name: "an old machine that dies during a reset does not matter",
    async run() {
      const outcome = await codeOf(
        reset(async () => {
          first.die(1);
          return newMachine();
        }),
      );
      return [outcome, await codeOf(workspace.session())];
    },
    outcomes: ["ok", "ok"],
    record: afterReset,
    closed: [true, false],
    over: false,
  },
  {
    name: "an old machine that dies during a reset that fails is the workspace's failure",
    async run() {
      const outcome = await codeOf(
        reset(() => {
          first.die(1);
          return Promise.reject(new PyroError("unavailable", "no machine"));
        }),
      );
      await workspace.ended;
      return [outcome];
    },
    outcomes: ["unavailable"],
    record: { state: "failed", resetCount: 0 },
    closed: [true, false],
    over: true,
  },
  {
    name: "a new machine that dies at once is the workspace's failure",
    async run() {
      const outcome = await codeOf(reset());
      second.die(null, "SIGKILL");
      await workspace.ended;
      return [outcome];
    },
    outcomes: ["ok"],
    record: { state: "failed", stateReason: "its machine ended (SIGKILL; the last line)", resetCount: 1 },
    closed: [true, true],
    over: true,
  },
  {
    name: "of two stops the second has nothing to stop",
    run: () =>
      Promise.all(
        ["first", "second"].map((which) => codeOf(workspace.exclusively(() => workspace.stop(`${which} stop`)))),
      ),
    outcomes: ["ok", "unavailable"],
    record: { state: "stopped", stateReason: null },
    closed: [true, false],
    over: true,
  },
  {
    name: "a guest that cannot switch itself off is killed",
    async run() {
      first.onPowerOff = async () => {
        first.die(null, "SIGKILL");
        throw new PyroError("unavailable", "lost the guest agent");
      };
      return [await codeOf(workspace.exclusively(() => workspace.stop("the workspace was stopped")))];
    },
    outcomes: ["ok"],
    record: { state: "stopped" },
    closed: [true, false],
    over: true,
  },
  {
    name: "a stop after a delete has not happened",
    run() {
      const deleting = codeOf(workspace.delete("the workspace was deleted"));
      const stopping = codeOf(workspace.exclusively(() => workspace.stop("too late")));
      return Promise.all([deleting, stopping]);
    },
    outcomes: ["ok", "failed_precondition"],
    record: "removed",
    closed: [true, false],
    over: true,
  },
  {
    name: "a workspace that is given up leaves its record as it is",
    async run() {
      await workspace.abandon();
      return [];
    },
    outcomes: [],
    record: { state: "started" },
    closed: [true, false],
    over: true,
  },
];

describe("the owned workspace", () => {
  test.each(cases)("$name", async ({ run, outcomes, record, closed, over }) => {
    expect(await run()).toEqual(outcomes);
    const now = await onFile();
    if (record === "removed") expect(now).toBe("removed");
    else expect(now).toMatchObject(record);
    expect([first.isClosed, second.isClosed]).toEqual(closed);
    expect([await isOver(), workspace.isOver]).toEqual([over, over]);
  });

  test("changes of the record happen one after another, each on what the one before has left", async () => {
    const count = 20;
    const increment = ({ commandCount }: WorkspaceRecord) => ({ commandCount: commandCount + 1 });
    await Promise.all(Array.from({ length: count }, () => workspace.update(increment)));
    expect(await onFile()).toMatchObject({ commandCount: count });
  });

  test("a change that fails has told its own caller, and the next one is made", async () => {
    const failing = workspace.update(() => {
      throw new PyroError("invalid_argument", "not this one");
    });
    const next = workspace.update({ name: "next" });
    expect(await codeOf(failing)).toBe("invalid_argument");
    expect(await next).toMatchObject({ name: "next" });
    expect(await onFile()).toMatchObject({ name: "next" });
  });

  test("the end of a machine waits for what is still to be written of its commands, but not for ever", async () => {
    const written = new Deferred();
    const session = await workspace.session();
    session.running.set(1, written.promise);
    let isDeleted = false;
    const deleting = workspace.delete("the workspace was deleted").then(() => {
      isDeleted = true;
    });
    await eventually(async () => first.isClosed, soonMs, "the machine is closed");
    expect(isDeleted).toBe(false);
    written.resolve();
    await deleting;
    expect(await onFile()).toBe("removed");
  });
});
