import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import { Pyro } from "../../src/index.ts";
import { CuttableDisk, noCuttableDisk } from "./cuttable-disk.ts";
import { additionPatch } from "./operations.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";

/** Cuts beyond one for each deed */
const moreCuts = sizeFromEnvironment("CHAOS_CUTS", 0);
/** One cut in so many comes after a pause, in which the guest writes back by itself */
const pauseShare = 5;
const longestPauseMs = 7_000;
const diskMib = 2048;

const obstacle = inject("vmUnavailable") ?? noCuttableDisk;
if (obstacle !== undefined && process.env["PYRO_REQUIRE_VM"] === "1") {
  throw new Error(`PYRO_REQUIRE_VM=1, but ${obstacle}`);
}

/** What one workspace has acknowledged. */
interface Acknowledged {
  readonly id: string;
  files: Map<string, string>;
  /** Output of each command since the last reset, by sequence */
  readonly outputs: Map<number, string>;
  readonly labels: Record<string, string>;
  readonly snapshots: Map<string, Map<string, string>>;
  readonly edits: string[];
  /** State and reason of each service, as they are while no machine runs */
  readonly services: Map<string, readonly [state: string, stopReason: string]>;
  exports: number;
  isStopped: boolean;
}

describe.skipIf(obstacle !== undefined)("after a power cut", () => {
  let disk: CuttableDisk;
  let random: Random;
  let pyro: Pyro;
  let known: Acknowledged;
  /** Workspaces that were deleted */
  const deleted: string[] = [];
  let words = 0;

  beforeAll(async () => {
    random = new Random(chosenSeed("power cuts"));
    disk = await CuttableDisk.create(diskMib);
    pyro = new Pyro({ env: { ...process.env, ...env() } });
  });
  afterAll(() => disk?.[Symbol.asyncDispose]());

  const env = () => ({
    PYRO_CACHE_DIR: join(disk.mountPoint, "cache"),
    PYRO_STATE_DIR: join(disk.mountPoint, "state"),
    PYRO_ENVIRONMENT_CACHE_DIR: layoutFromEnvironment(process.env).environmentsDir,
  });
  const word = () => `${++words}-${random.word()}`;

  async function newFolder(files: Readonly<Record<string, string>>): Promise<string> {
    const dir = join(disk.mountPoint, `folder ${word()}`);
    await mkdir(dir);
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    return dir;
  }

  async function create(): Promise<void> {
    const seeded = word();
    const seedPath = await newFolder({ seeded });
    const { workspaceId } = await pyro.workspace.create({ environment: "debian:12", seedPath });
    // Only the newest is looked at closely.
    if (known) {
      await pyro.workspace.delete({ workspaceId: known.id });
      deleted.push(known.id);
    }
    const files = new Map([["seeded", seeded]]);
    const nothing = { outputs: new Map(), labels: {}, edits: [], services: new Map(), exports: 0, isStopped: false };
    known = { id: workspaceId, files, snapshots: new Map([["baseline", new Map(files)]]), ...nothing };
  }

  async function exec(script: string, ...args: readonly string[]): Promise<string> {
    const command = ["sh", "-euc", script, "sh", ...args];
    const { exitCode, sequence, stdout, stderr } = await pyro.workspace.exec({ workspaceId: known.id, command });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    known.outputs.set(sequence, stdout);
    return stdout;
  }

  function edited(kind: string, path: string, text: string): void {
    known.files.set(path, text);
    known.edits.push(kind);
  }

  const deeds: Readonly<Record<string, () => Promise<void>>> = {
    create,
    async "exec that writes and prints"() {
      const [path, text] = [word(), word()];
      await exec('printf %s "$2" >"$1"; printf "%s printed" "$2"', path, text);
      known.files.set(path, text);
    },
    async "exec that installs"() {
      await exec('echo "$1" >/usr/local/bin/tool; rm -f /usr/bin/perl', word());
    },
    async "exec with much output"() {
      await exec("seq 1 400000");
    },
    async "file write"() {
      const [path, text] = [word(), word().repeat(5_000)];
      await pyro.workspace.file.write({ workspaceId: known.id, path, text });
      edited("file_write", path, text);
    },
    async "file overwrite"() {
      const text = word();
      await pyro.workspace.file.write({ workspaceId: known.id, path: "seeded", text });
      edited("file_write", "seeded", text);
    },
    async "patch apply"() {
      const [path, text] = [word(), word()];
      await pyro.workspace.patch.apply({ workspaceId: known.id, patch: additionPatch(path, text) });
      edited("patch_apply", path, `${text}\n`);
    },
    async "sync push"() {
      const [path, text] = [word(), word()];
      await pyro.workspace.sync.push({ workspaceId: known.id, sourcePath: await newFolder({ [path]: text }) });
      edited("sync_push", path, text);
    },
    async "sync push into the baseline"() {
      const [path, text] = [word(), word()];
      const sourcePath = await newFolder({ [path]: text });
      await pyro.workspace.sync.push({ workspaceId: known.id, sourcePath, baseline: true });
      edited("sync_push", path, text);
      known.snapshots.get("baseline")?.set(path, text);
    },
    async update() {
      const [key, value] = [`k${word()}`, word()];
      await pyro.workspace.update({ workspaceId: known.id, labels: { [key]: value } });
      known.labels[key] = value;
    },
    async "snapshot create"() {
      const snapshotName = `s${word()}`;
      await pyro.workspace.snapshot.create({ workspaceId: known.id, snapshotName });
      known.snapshots.set(snapshotName, new Map(known.files));
    },
    async "snapshot delete"() {
      const snapshotName = [...known.snapshots.keys()].at(-1);
      if (snapshotName === undefined || snapshotName === "baseline") return;
      await pyro.workspace.snapshot.delete({ workspaceId: known.id, snapshotName });
      known.snapshots.delete(snapshotName);
    },
    async reset() {
      const snapshot = random.pick([...known.snapshots.keys()]);
      await pyro.workspace.reset({ workspaceId: known.id, snapshot });
      known.files = new Map(known.snapshots.get(snapshot));
      known.outputs.clear();
      known.edits.length = 0;
      known.services.clear();
      known.exports = 0;
    },
    async export() {
      const outputPath = join(disk.mountPoint, `out ${word()}`);
      await pyro.workspace.export({ workspaceId: known.id, path: ".", outputPath });
      known.exports += 1;
    },
    async "service start, and the stop of another one"() {
      const workspaceId = known.id;
      for (const [serviceName, script] of [
        ["stays", "echo up; exec sleep 1000"],
        ["goes", "echo up; exec sleep 2000"],
      ] as const) {
        const started = await pyro.workspace.service.start({
          workspaceId,
          serviceName,
          command: script,
          readyLog: "up",
        });
        expect(started).toMatchObject({ state: "running", startError: null });
        known.services.set(serviceName, ["failed", "machine_died"]);
      }
      await pyro.workspace.service.stop({ workspaceId, serviceName: "goes" });
      known.services.set("goes", ["stopped", "stopped"]);
    },
    async stop() {
      await exec('echo "$1" >/usr/local/kept', known.id);
      await pyro.workspace.stop({ workspaceId: known.id });
      known.isStopped = true;
    },
    async "stop and start"() {
      await pyro.workspace.stop({ workspaceId: known.id });
      await pyro.workspace.start({ workspaceId: known.id });
    },
  };

  /** Everything that was acknowledged is there, and the workspace works. */
  async function check(): Promise<void> {
    const workspaceId = known.id;
    const { workspaces } = await pyro.workspace.list({});
    expect(workspaces.map((row) => [row.workspaceId, row.state])).toEqual([
      [workspaceId, known.isStopped ? "stopped" : "failed"],
    ]);
    const before = await pyro.workspace.status({ workspaceId });
    expect(before.labels).toEqual(known.labels);
    const { entries } = await pyro.workspace.logs({ workspaceId });
    for (const [sequence, stdout] of known.outputs) {
      expect(entries.find((entry) => entry.sequence === sequence)).toMatchObject({ exitCode: 0, stdout });
    }
    const { services } = await pyro.workspace.service.list({ workspaceId });
    const ends = services.map(({ serviceName, state, stopReason }) => [serviceName, [state, stopReason]] as const);
    expect(new Map(ends)).toEqual(known.services);
    const started = await pyro.workspace.start({ workspaceId });
    expect(started.state).toBe("started");
    if (known.isStopped) expect(await exec("cat /usr/local/kept")).toBe(`${workspaceId}\n`);
    else expect(started.rootLoss?.reason).toMatch(/^the host has restarted/);
    known.isStopped = false;
    await checkFiles();
    const summary = await pyro.workspace.summary({ workspaceId });
    expect(summary.outcome.exportCount).toBe(known.exports);
    expect(summary.edits.recent.map(({ eventKind }) => eventKind)).toEqual(known.edits.toReversed().slice(0, 5));
    const { snapshots } = await pyro.workspace.snapshot.list({ workspaceId });
    expect(snapshots.map(({ snapshotName }) => snapshotName)).toEqual([...known.snapshots.keys()]);
  }

  async function checkFiles(): Promise<void> {
    const printed = await exec('for name in *; do printf "%s\\t%s\\0" "$name" "$(cat "$name"; echo .)"; done');
    const found = printed.split("\0").filter(Boolean);
    const files = found.map((record) => [
      record.slice(0, record.indexOf("\t")),
      record.slice(record.indexOf("\t") + 1, -1),
    ]);
    expect(new Map(files as [string, string][])).toEqual(known.files);
    expect(await exec("perl -e 'print 1'")).toBe("1");
  }

  test("nothing that was acknowledged is missing, and every workspace starts", async () => {
    await create();
    const all = Object.keys(deeds);
    const more = Array.from({ length: moreCuts }, () => random.pick(all));
    for (const [index, name] of [...random.sample(all, all.length), ...more].entries()) {
      const pauseMs = index % pauseShare === pauseShare - 1 ? random.between(100, longestPauseMs) : 0;
      const what = `cut ${index + 1}, ${pauseMs} ms after '${name}'`;
      try {
        await deeds[name]?.();
        await setTimeout(pauseMs);
        await disk.cut();
        await check();
      } catch (error) {
        throw new Error(`${what}: ${String(error)}`, { cause: error });
      }
    }
    await pyro.workspace.delete({ workspaceId: known.id });
    await disk.cut();
    expect((await pyro.workspace.list({})).workspaces).toEqual([]);
    await rm(join(disk.mountPoint, "state"), { recursive: true, force: true });
  });
});
