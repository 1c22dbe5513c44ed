import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { composeEngineContext } from "../../../../src/compose.ts";
import type { EngineContext } from "../../../../src/machines/context.ts";
import { reviewWorkspace } from "../../../../src/workspaces/change/review.ts";
import { deleteSnapshot, resetWorkspace } from "../../../../src/workspaces/checkpoint/caller.ts";
import { commandLogs } from "../../../../src/workspaces/command/logs.ts";
import { accessWorkspace, currentRecord } from "../../../../src/workspaces/control/access.ts";
import { ControlServer } from "../../../../src/workspaces/control/server.ts";
import { claimActiveSlot } from "../../../../src/workspaces/life/active-limit.ts";
import {
  allWorkspaces,
  deleteWorkspace,
  startWorkspace,
  stopWorkspace,
  updateWorkspace,
} from "../../../../src/workspaces/life/caller.ts";
import { commandsOf, JournalWriter, readJournal } from "../../../../src/workspaces/record/journal.ts";
import {
  beginWorkspace,
  lockWorkspace,
  saveWorkspace,
  WorkspacePlace,
} from "../../../../src/workspaces/record/store.ts";
import { reapExpiredVms } from "../../../../src/workspaces/vm/caller.ts";
import { SearchPath } from "../../../helpers/search-path.ts";
import { workspaceRecord } from "../../../helpers/workspace-record.ts";

const id = "0a1b2c3d4e5f";

let dir: string;
let context: EngineContext;
let place: WorkspacePlace;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-lifecycle-"));
  context = composeEngineContext({
    ...process.env,
    PYRO_CACHE_DIR: join(dir, "cache"),
    PYRO_STATE_DIR: join(dir, "state"),
  });
  place = new WorkspacePlace(context.layout.workspacesDir, id);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

/** A workspace whose supervisor, if it should have one, is gone. */
async function make(different: Parameters<typeof workspaceRecord>[0] = {}): Promise<void> {
  const workspaceId = different?.workspaceId ?? id;
  await using unborn = await beginWorkspace(context.layout.workspacesDir, workspaceId);
  await saveWorkspace(unborn.place, workspaceRecord(different));
  await unborn.publish();
}
const stopped = { state: "stopped" } as const;
const names = async () => (await readdir(context.layout.workspacesDir)).toSorted();

test("a workspace whose supervisor is gone has failed, and the end of its commands is unknown", async () => {
  await make({ commandCount: 1 });
  await mkdir(place.historyDir(0));
  await using journal = await JournalWriter.open(place.historyDir(0));
  const command = { command: ["make"], cwd: "/workspace" };
  await journal.append({ event: "command", command: { sequence: 1, ...command } });
  await journal.append({ event: "command", command: { sequence: 2, ...command } });
  await appendFile(join(place.historyDir(0), "000002.stdout"), "half a li");
  await appendFile(join(place.historyDir(0), "journal.jsonl"), '{"event":"comm');
  expect(await currentRecord(context, id)).toMatchObject({
    state: "failed",
    stateReason: "its supervisor ended unexpectedly",
    commandCount: 2,
    lastCommand: { sequence: 2, command: ["make"], exitCode: null },
  });
  expect(await commandLogs({ context, workspaceId: id })).toMatchObject([
    { sequence: 1, end: { exitCode: null, unknownReason: expect.stringContaining("supervisor ended") } },
    { sequence: 2, end: { exitCode: null }, stdout: { bytes: Buffer.from("half a li"), isCut: false } },
  ]);
  // Looking again changes nothing.
  const before = await readFile(join(place.historyDir(0), "journal.jsonl"));
  await currentRecord(context, id);
  expect(await readFile(join(place.historyDir(0), "journal.jsonl"))).toEqual(before);
});

test("a start that was interrupted has failed", async () => {
  await make({ state: "starting" });
  expect(await currentRecord(context, id)).toMatchObject({
    state: "failed",
    stateReason: expect.stringContaining("interrupted"),
  });
});

test("a creation that was interrupted leaves nothing, as no caller was told of it", async () => {
  await make({ state: "starting", isolation: null, layers: [], rootLayers: [], nextLayer: 0 });
  await expect(currentRecord(context, id)).rejects.toMatchObject({ code: "not_found" });
  expect(await names()).toEqual([]);
});

test("many who look at a lost workspace at once agree", async () => {
  await make();
  const seen = await Promise.all(Array.from({ length: 8 }, () => currentRecord(context, id)));
  expect(new Set(seen.map(({ state }) => state)).size).toBeLessThanOrEqual(2);
  expect(await currentRecord(context, id)).toMatchObject({ state: "failed" });
});

test("what does not run is not stopped twice, and a failed one is stopped by being told so", async () => {
  await make();
  expect(await stopWorkspace({ context, workspaceId: id })).toMatchObject({ state: "stopped", stateReason: null });
  expect(await stopWorkspace({ context, workspaceId: id })).toMatchObject({ state: "stopped" });
});

test("name and labels change also while it does not run", async () => {
  await make(stopped);
  const update = { name: "new", setLabels: { a: "1" }, clearLabels: [] };
  expect(await updateWorkspace({ context, workspaceId: id }, update)).toMatchObject({
    name: "new",
    labels: { a: "1" },
  });
  expect(await currentRecord(context, id)).toMatchObject({ name: "new", state: "stopped" });
});

test("a snapshot's layers go with it, unless something else stands on them", async () => {
  const snapshot = (snapshotName: string, layers: string[]) => ({
    snapshotName,
    layers,
    createdAt: "",
    entryCount: 0,
    bytesWritten: 0,
  });
  await make({
    ...stopped,
    layers: ["2.qcow2", "5.qcow2"],
    nextLayer: 6,
    snapshots: [snapshot("one", ["2.qcow2"]), snapshot("two", ["2.qcow2", "3.qcow2"])],
  });
  for (const number of [0, 1, 2, 3, 4, 5]) await writeFile(place.layerPath(`${number}.qcow2`), "");
  await writeFile(place.seedPath, "");
  await deleteSnapshot({ context, workspaceId: id }, "two");
  expect((await readdir(place.disksDir)).toSorted()).toEqual(["0.qcow2", "1.qcow2", "2.qcow2", "5.qcow2", "seed.ext4"]);
  await expect(deleteSnapshot({ context, workspaceId: id }, "two")).rejects.toMatchObject({ code: "not_found" });
});

test("a reset to a snapshot that is not there is refused before anything is done", async () => {
  await make(stopped);
  await expect(resetWorkspace({ context, workspaceId: id }, "nope")).rejects.toMatchObject({ code: "not_found" });
  expect(await currentRecord(context, id)).toMatchObject(stopped);
});

test("a summary of what does not run says why there are no changes", async () => {
  await make({ state: "failed", stateReason: "it burnt" });
  expect(await reviewWorkspace({ context, workspaceId: id })).toMatchObject({
    commands: [],
    exportCount: 0,
    changes: { available: false, reason: expect.stringContaining("failed") },
  });
});

test.each(["started", "stopped", "failed", "starting"] as const)(
  "an expired one is gone for every caller, though it is %s",
  async (state) => {
    await make({ state, expiresAt: new Date(Date.now() - 1).toISOString() });
    await expect(currentRecord(context, id)).rejects.toMatchObject({ code: "not_found" });
    expect(await names()).toEqual([]);
  },
);

const vmId = "vm-0a1b2c3d4e5f";

test("a machine for one command goes with its supervisor, and stays if it has none", async () => {
  await make({ ...stopped, workspaceId: vmId, layers: [] });
  expect(await currentRecord(context, vmId)).toMatchObject({ state: "stopped" });
  for (const state of ["starting", "started"] as const) {
    await make({ state, workspaceId: `vm-${state === "started" ? 1 : 2}00000000000` });
  }
  for (const lost of ["vm-100000000000", "vm-200000000000"]) {
    await expect(currentRecord(context, lost)).rejects.toMatchObject({
      code: "not_found",
      message: `there is no machine '${lost}'`,
    });
  }
  expect(await names()).toEqual([vmId]);
});

test("machines that have expired are reaped, by their ids, and no workspace is", async () => {
  const expiresAt = new Date(Date.now() - 1).toISOString();
  await make({ ...stopped, expiresAt });
  await make({ ...stopped, expiresAt, workspaceId: vmId });
  await make({ ...stopped, workspaceId: "vm-100000000000" });
  expect(await reapExpiredVms(context)).toEqual([vmId]);
  expect(await names()).toEqual([id, "vm-100000000000"]);
  expect(await reapExpiredVms(context)).toEqual([]);
});

test("a list of workspaces is without machines for one command, which count as running", async () => {
  await make({ ...stopped, workspaceId: vmId });
  expect(await allWorkspaces(context)).toEqual([]);
  await make({ workspaceId: "vm-100000000000" });
  const lock = await lockWorkspace(new WorkspacePlace(context.layout.workspacesDir, "vm-100000000000"));
  if (lock === "held") throw new Error("it is ours");
  await using _ = lock;
  const limited = { ...context, maxActiveWorkspaces: 1 };
  await expect(claimActiveSlot(limited, "start it", async () => {})).rejects.toMatchObject({
    code: "resource_exhausted",
  });
});

test("a list is without those whose time is over, and with those that cannot be read", async () => {
  await make({ ...stopped, expiresAt: new Date(Date.now() - 1).toISOString() });
  await make({ ...stopped, workspaceId: "111111111111" });
  await make({ ...stopped, workspaceId: "222222222222" });
  await make({ ...stopped, workspaceId: "333333333333" });
  await writeFile(join(context.layout.workspacesDir, "222222222222/workspace.json"), '{"format_version": 2}');
  await rm(join(context.layout.workspacesDir, "333333333333/workspace.json"));
  await mkdir(join(context.layout.workspacesDir, "not-an-id"));
  const listed = (await allWorkspaces(context)).map((one) => [one.place.workspaceId, one.status]);
  expect(listed.toSorted()).toEqual([
    ["111111111111", "ok"],
    ["222222222222", "broken"],
    ["333333333333", "broken"],
  ]);
});

test.each([
  ["half a record", async () => writeFile(place.recordPath, '{"format_version": 1, "works')],
  ["a record of another format", async () => writeFile(place.recordPath, '{"format_version": 99}')],
  ["a folder for its record", async () => rm(place.recordPath).then(() => mkdir(place.recordPath))],
  ["no record", async () => rm(place.recordPath)],
  ["neither record nor lock", async () => rm(place.recordPath).then(() => rm(place.lockPath))],
])("one with %s can be deleted", async (_what, spoil) => {
  await make(stopped);
  await spoil();
  await expect(currentRecord(context, id)).rejects.toMatchObject({
    code: "failed_precondition",
    hint: `Call \`pyro.workspace.delete({ workspaceId: "${id}" })\`.`,
  });
  await deleteWorkspace({ context, workspaceId: id });
  expect(await names()).toEqual([]);
});

test.each([id, "", "..", "../../etc", "0A1B2C3D4E5F", "0a1b2c3d4e5f0", "0a1b2c3d4e5"])(
  "there is no workspace '%s'",
  async (unknown) => {
    for (const work of [
      () => currentRecord(context, unknown),
      () => deleteWorkspace({ context, workspaceId: unknown }),
      () => startWorkspace({ context, workspaceId: unknown }),
      () => stopWorkspace({ context, workspaceId: unknown }),
      () => accessWorkspace({ context, workspaceId: unknown }),
      () => updateWorkspace({ context, workspaceId: unknown }, { setLabels: {}, clearLabels: [] }),
    ]) {
      await expect(work()).rejects.toMatchObject({
        code: "not_found",
        message: `there is no workspace '${unknown}'`,
        hint: "Call `pyro.workspace.list()` to see which there are.",
      });
    }
  },
);

test("what interrupted creations and deletions left is swept, what is being made is not", async () => {
  await make(stopped);
  const { workspacesDir } = context.layout;
  const old = new Date(Date.now() - 3_600_000);
  for (const name of [".deleted-aaaaaaaaaaaa", ".new-bbbbbbbbbbbb", ".new-cccccccccccc"]) {
    await mkdir(join(workspacesDir, name, "disks"), { recursive: true });
  }
  await writeFile(join(workspacesDir, ".new-bbbbbbbbbbbb/lock"), "");
  for (const name of [".new-bbbbbbbbbbbb", ".new-cccccccccccc"]) await utimes(join(workspacesDir, name), old, old);
  await using _ = await beginWorkspace(workspacesDir, "dddddddddddd");
  await allWorkspaces(context);
  expect(await names()).toEqual([".new-dddddddddddd", id]);
});

test("a new workspace is only its creator's from the moment that it can be seen", async () => {
  const { workspacesDir } = context.layout;
  await using programs = await SearchPath.with("setpriv", "sh", "flock", "sleep");
  // For it only: what is looked at meanwhile has the real one.
  const slowly = `#!/bin/sh\nuntil [ -e '${dir}/go' ]; do sleep 0.01; done\nexec '${join(programs.dir, "flock")}' "$@"\n`;
  await mkdir(join(dir, "slow"));
  await writeFile(join(dir, "slow/flock"), slowly, { mode: 0o755 });
  vi.stubEnv("PATH", `${join(dir, "slow")}:${programs.dir}`);
  await using unborn = await beginWorkspace(workspacesDir, id);
  vi.stubEnv("PATH", programs.dir);
  let isPublished = false;
  const publishing = unborn.publish().then(() => {
    isPublished = true;
  });
  await setTimeout(100);
  expect([isPublished, await names()]).toEqual([false, [`.new-${id}`]]);
  await writeFile(join(dir, "go"), "");
  await publishing;
  expect(await names()).toEqual([id]);
  expect(await lockWorkspace(place)).toBe("held");
});

test("ten callers wait for a start without a single process, and are served when it is over", async () => {
  await make({ state: "starting" });
  const lock = await lockWorkspace(place);
  if (lock === "held") throw new Error("it is ours");
  await using _ = lock;
  await using programs = await SearchPath.with();
  // Where there is no program, a process that looks at the lock cannot be started.
  vi.stubEnv("PATH", programs.dir);
  const waiting = Array.from({ length: 10 }, () => accessWorkspace({ context, workspaceId: id }));
  await setTimeout(50);
  await using server = await ControlServer.listen(place.dir);
  await setTimeout(50);
  server.serve([]);
  for (const access of await Promise.all(waiting)) {
    expect(access.kind).toBe("running");
    if (access.kind === "running") access.connection.close();
  }
});

test("callers that wait for a start that fails get to the workspace all the same", async () => {
  await make({ state: "starting" });
  const lock = await lockWorkspace(place);
  if (lock === "held") throw new Error("it is ours");
  const server = await ControlServer.listen(place.dir);
  const waiting = Array.from({ length: 3 }, () => stopWorkspace({ context, workspaceId: id }));
  await setTimeout(50);
  await saveWorkspace(place, workspaceRecord(stopped));
  await server.close(0);
  await lock[Symbol.asyncDispose]();
  for (const record of await Promise.all(waiting)) expect(record).toMatchObject(stopped);
});

test("a new workspace whose lock cannot be had is never seen", async () => {
  const { workspacesDir } = context.layout;
  await using programs = await SearchPath.with("setpriv", "sh");
  vi.stubEnv("PATH", programs.dir);
  {
    await using unborn = await beginWorkspace(workspacesDir, id);
    await expect(unborn.publish()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("flock was not found"),
    });
    expect(await names()).toEqual([`.new-${id}`]);
  }
  expect(await names()).toEqual([]);
});

test("a caller waits for a workspace that another one changes, until it gives up", async () => {
  await make(stopped);
  const lock = await lockWorkspace(place);
  if (lock === "held") throw new Error("it is held");
  const controller = new AbortController();
  const refused = expect(stopWorkspace({ context, workspaceId: id, signal: controller.signal })).rejects.toMatchObject({
    code: "cancelled",
  });
  const waiting = stopWorkspace({ context, workspaceId: id });
  controller.abort();
  await refused;
  await lock[Symbol.asyncDispose]();
  expect(await waiting).toMatchObject(stopped);
});

test("as many run as may, and one more is refused with the way out", async () => {
  const limited = { ...context, maxActiveWorkspaces: 2 };
  /** A workspace with a supervisor: its lock is held. */
  const run = async (workspaceId: string, state: "started" | "starting") => {
    await make({ workspaceId, state });
    const lock = await lockWorkspace(new WorkspacePlace(context.layout.workspacesDir, workspaceId));
    if (lock === "held") throw new Error("it is held already");
    return lock;
  };
  await using _one = await run("111111111111", "started");
  await make({ ...stopped, workspaceId: "222222222222" });
  let claimed = 0;
  const claim = async () => void claimed++;
  await claimActiveSlot(limited, "create a workspace", claim);
  await using _two = await run("333333333333", "starting");
  await expect(claimActiveSlot(limited, "create a workspace", claim)).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "cannot create a workspace: 2 workspaces are running, which is the limit",
    hint: expect.stringContaining("PYRO_MAX_ACTIVE_WORKSPACES"),
  });
  expect(claimed).toBe(1);
});

test("a workspace that was lost does not count as running", async () => {
  await make();
  await claimActiveSlot({ ...context, maxActiveWorkspaces: 1 }, "create a workspace", async () => {});
});

test("a history without its end can be read while it is written", async () => {
  await make(stopped);
  expect(commandsOf(await readJournal(place.historyDir(0)))).toEqual([]);
});

test("a workspace that does not run has no command to wait for", async () => {
  await make({ commandCount: 1 });
  await mkdir(place.historyDir(0));
  await using journal = await JournalWriter.open(place.historyDir(0));
  await journal.append({ event: "command", command: { sequence: 1, command: ["make"], cwd: "/workspace" } });
  // Its supervisor is gone: what ran then has ended.
  expect(await commandLogs({ context, workspaceId: id }, { waitMs: 3_600_000 })).toMatchObject([
    { sequence: 1, end: { exitCode: null } },
  ]);
});
