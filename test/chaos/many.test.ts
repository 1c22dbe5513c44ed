import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeWithVm } from "../helpers/vm.ts";
import type { Operation, SdkClient } from "./clients.ts";
import { additionPatch, operationsOn } from "./operations.ts";
import { memoryOf, type ProcessKind } from "./processes.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";
import { World } from "./world.ts";

const workspaceCount = sizeFromEnvironment("CHAOS_WORKSPACES", 4);
const seconds = sizeFromEnvironment("CHAOS_SECONDS", 8);
const mutatorCount = 4;
const seedFiles = 50;
/** Of one supervisor when all is done; measured 60 to 90 MiB */
const maxSupervisorMib = 200;

/** What one workspace must hold, by all who changed it. */
interface Known {
  readonly files: Map<string, string>;
  /** The output of each command by its number */
  readonly commands: Map<number, string>;
  snapshots: number;
}

class Mutator {
  readonly steps: Record<string, number> = {};
  readonly #name: string;
  readonly #random: Random;
  readonly #client: SdkClient;
  readonly #workspaces: ReadonlyMap<string, Known>;
  #n = 0;

  constructor(name: string, random: Random, client: SdkClient, workspaces: ReadonlyMap<string, Known>) {
    this.#name = name;
    this.#random = random;
    this.#client = client;
    this.#workspaces = workspaces;
  }

  async run(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) await this.#step();
  }

  async #step(): Promise<void> {
    const [id, known] = this.#random.pick([...this.#workspaces]);
    const does = operationsOn(id);
    const word = `${id}-${this.#name}-${this.#n++}-${this.#random.word()}`;
    const kind = this.#random.weighted({ append: 5, write: 3, patch: 3, remove: 1, read: 2, diff: 1, snapshot: 1 });
    this.steps[kind] = (this.steps[kind] ?? 0) + 1;
    switch (kind) {
      case "append":
        return this.#append(id, known, word);
      case "write": {
        const [path, text] = [`${this.#name}/${this.#random.between(0, 9)}.txt`, `${word}\n`.repeat(100)];
        await this.#must(does.write(path, text));
        known.files.set(path, text);
        return;
      }
      case "patch":
        await this.#must(does.patch(additionPatch(`${this.#name}/${word}`, word)));
        known.files.set(`${this.#name}/${word}`, `${word}\n`);
        return;
      case "remove": {
        const path = `seeded/${this.#random.between(0, seedFiles - 1)}.txt`;
        const result = await this.#must(does.exec(["sh", "-c", `rm -f ${path}; echo ${word}`]));
        known.commands.set(Number(result["sequence"]), `${word}\n`);
        known.files.delete(path);
        return;
      }
      case "read": {
        const own = [...known.files].filter(([path]) => path.startsWith(`${this.#name}/`));
        if (own.length === 0) return;
        const [path, text] = this.#random.pick(own);
        expect((await this.#must(does.read(path)))["content"]).toBe(text);
        return;
      }
      case "diff":
        await this.#must(does.diff());
        return;
      case "snapshot":
        if (known.snapshots >= 8) return;
        known.snapshots += 1;
        await this.#must(does.snapshot(`${this.#name}-${this.#n}`));
    }
  }

  async #append(id: string, known: Known, word: string): Promise<void> {
    const path = `${this.#name}/log`;
    const script = `mkdir -p ${this.#name} && echo "${word}" >> ${path} && cat ${path}`;
    const result = await this.#must(operationsOn(id).exec(["sh", "-c", script]));
    const text = `${known.files.get(path) ?? ""}${word}\n`;
    expect(result["stdout"]).toBe(text);
    known.files.set(path, text);
    known.commands.set(Number(result["sequence"]), text);
  }

  async #must(operation: Operation): Promise<Readonly<Record<string, unknown>>> {
    const outcome = await this.#client.call(operation).outcome;
    if (outcome.kind === "done") return outcome.value;
    throw new Error(`'${operation.args.join(" ").slice(0, 200)}' did not work: ${JSON.stringify(outcome)}`);
  }
}

async function seed(dir: string): Promise<Map<string, string>> {
  await mkdir(join(dir, "seeded"), { recursive: true });
  const files = new Map<string, string>();
  for (let n = 0; n < seedFiles; n++) {
    files.set(`seeded/${n}.txt`, `seeded ${n}\n`);
    await writeFile(join(dir, `seeded/${n}.txt`), `seeded ${n}\n`);
  }
  return files;
}

async function treeOf(dir: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(dir.length + 1), await readFile(path, "utf8"));
  }
  return files;
}

interface Figures {
  readonly rssMib: number;
  readonly pssMib: number;
  readonly largestRssMib: number;
  readonly openFiles: number;
}

async function figuresOf(world: World, kind: ProcessKind): Promise<Figures> {
  const processes = (await world.processes()).filter((found) => found.kind === kind);
  const memory = await Promise.all(processes.map(({ pid }) => memoryOf(pid)));
  const fds = await Promise.all(processes.map(({ pid }) => readdir(`/proc/${pid}/fd`)));
  const sum = (field: "rssKib" | "pssKib") => Math.round(memory.reduce((all, use) => all + use[field], 0) / 1024);
  return {
    rssMib: sum("rssKib"),
    pssMib: sum("pssKib"),
    largestRssMib: Math.round(Math.max(0, ...memory.map(({ rssKib }) => rssKib)) / 1024),
    openFiles: fds.reduce((all, { length }) => all + length, 0),
  };
}

async function report(world: World, when: string): Promise<Record<"supervisor" | "qemu", Figures>> {
  const figures = { supervisor: await figuresOf(world, "supervisor"), qemu: await figuresOf(world, "qemu") };
  const used = spawnSync("du", ["-sm", world.stateDir], { encoding: "utf8" }).stdout.split("\t")[0];
  console.log(`${when}: ${workspaceCount} workspaces, ${used} MiB of disk, ${JSON.stringify(figures)}`);
  return figures;
}

describeWithVm("many workspaces", () => {
  test(
    "each holds what its own callers gave it, and leaves nothing behind",
    async () => {
      const random = new Random(chosenSeed("many"));
      await using world = await World.create();
      const seeded = await seed(world.outPath("seed"));
      const workspaces = new Map<string, Known>();
      const creating = async () => {
        const id = await world.createWorkspace("--seed-path", world.outPath("seed"));
        workspaces.set(id, { files: new Map(seeded), commands: new Map(), snapshots: 0 });
      };
      for (let n = 0; n < workspaceCount; n += 2) {
        await Promise.all(Array.from({ length: Math.min(2, workspaceCount - n) }, creating));
      }
      const before = await report(world, "new");

      const mutators = Array.from(
        { length: mutatorCount },
        (_, n) => new Mutator(`m${n}`, new Random(random.between(0, 2 ** 31)), world.newSdkClient(), workspaces),
      );
      const untilMs = performance.now() + seconds * 1_000;
      await Promise.all(mutators.map((mutator) => mutator.run(untilMs)));
      console.log(mutators.map(({ steps }) => JSON.stringify(steps)).join("\n"));
      const after = await report(world, "used");
      expect(after.supervisor.largestRssMib).toBeLessThan(maxSupervisorMib);
      // Nothing stays open of a call that is over.
      expect(after.supervisor.openFiles).toBeLessThanOrEqual(before.supervisor.openFiles + workspaceCount);

      for (const [id, known] of workspaces) await expectContent(world, id, known);
      const ids = [...workspaces.keys()];
      for (let n = 0; n < ids.length; n += 2) {
        await Promise.all(ids.slice(n, n + 2).map((id) => world.must(operationsOn(id).delete())));
      }
      await world.expectNothingLeft();
    },
    (300 + 3 * seconds + 60 * workspaceCount) * 1_000,
  );
});

async function expectContent(world: World, id: string, { files, commands }: Known): Promise<void> {
  const does = operationsOn(id);
  const output = world.outPath(`tree-${id}`);
  await world.must(does.export("/workspace", output));
  const found = await treeOf(output);
  await rm(output, { recursive: true });
  expect([...found.keys()].toSorted()).toEqual([...files.keys()].toSorted());
  for (const [path, text] of files) expect(found.get(path) === text, `${id}: ${path}`).toBe(true);
  const { entries } = (await world.must(does.logs())) as { entries?: { sequence: number; stdout: string }[] };
  expect(entries?.map(({ sequence }) => sequence)).toEqual([...commands].map((_, index) => index + 1));
  for (const { sequence, stdout } of entries ?? []) expect(stdout).toBe(commands.get(sequence));
}
