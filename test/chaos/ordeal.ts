import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import type { Operation, Outcome, Running, SdkClient } from "./clients.ts";
import { Killer } from "./killer.ts";
import { Model } from "./model.ts";
import { additionPatch, changePatch, listAll, operationsOn, type WorkspaceOperations } from "./operations.ts";
import type { FoundProcess } from "./processes.ts";
import type { Random } from "./random.ts";
import { signalTo, type World } from "./world.ts";

/** Between two looks at everything */
export const stepsPerRound = 12;
const concurrency = 4;
/** A workspace may have twice as many */
const keptSnapshots = 16;

/** What may be said when something was killed; anything else is a fault of pyro. */
export const honestCodes = ["outcome_unknown", "unavailable", "failed_precondition", "cancelled", "timeout"];

interface ShownCommand {
  readonly sequence: number;
  readonly command: readonly string[];
  readonly state: string;
  readonly exit_code?: number | null;
  readonly exitCode?: number | null;
  readonly stdout: string;
}

/** One workspace, and everything that is known of it. */
export class Ordeal {
  readonly #world: World;
  readonly #random: Random;
  readonly #id: string;
  readonly #does: WorkspaceOperations;
  readonly #model: Model;
  /** Number of files that it began with */
  readonly #seeded: number;
  readonly #sdk: readonly SdkClient[];
  readonly #running = new Set<Running>();
  /** Acknowledged since the last reset, with the number of the command */
  #commands = new Map<number, string>();
  readonly #labels = new Map<string, string>();
  readonly #exports = new Map<string, string>();
  readonly #snapshots = new Map<string, "there" | "maybe">();
  readonly #killer: Killer;
  readonly counts: Record<string, number> = {};
  #n = 0;
  #resetCount = 0;

  private constructor(world: World, random: Random, id: string, seeded: ReadonlyMap<string, string>) {
    this.#world = world;
    this.#random = random;
    this.#id = id;
    this.#does = operationsOn(id);
    this.#model = new Model(seeded);
    this.#seeded = seeded.size;
    this.#sdk = [world.newSdkClient(), world.newSdkClient()];
    this.#killer = new Killer({
      world,
      random,
      workspaceId: id,
      clients: this.#running,
      note: (what) => this.#note(what),
    });
  }

  static async begin(world: World, random: Random, steps: number): Promise<Ordeal> {
    const seedDir = world.outPath("seed");
    const seeded = new Map<string, string>();
    await mkdir(join(seedDir, "base"), { recursive: true });
    for (let number = 0; number <= steps; number++) {
      seeded.set(`base/${number}.txt`, `line ${number}\n`);
      await writeFile(join(seedDir, `base/${number}.txt`), `line ${number}\n`);
    }
    const id = await world.createWorkspace("--seed-path", seedDir);
    return new Ordeal(world, random, id, seeded);
  }

  /** How many processes have been killed */
  get killCount(): number {
    return this.#killer.count;
  }

  /** Groups of the guardians that there have been */
  get groups(): Set<number> {
    return this.#killer.groups;
  }

  /** Many at once, while things are killed. */
  async round(): Promise<void> {
    const ender = new AbortController();
    const killing = this.#killer.killNowAndThen(ender.signal);
    let left = stepsPerRound;
    const worker = async (client: number) => {
      while (left-- > 0) await this.#step(client);
    };
    await Promise.all(Array.from({ length: concurrency }, (_, client) => worker(client)));
    ender.abort();
    await killing;
  }

  /**
   * What nothing else may be going on with: its outcome decides what must be there from then on.
   */
  async turn(): Promise<void> {
    const random = this.#random;
    const kind = random.weighted({ reset: 4, stop: 2, start: 1, drop: 2 });
    const ender = new AbortController();
    const killing = random.chance(0.6) ? this.#killer.killNowAndThen(ender.signal, 1) : Promise.resolve();
    if (kind === "reset") await this.#reset(random.pick(this.#model.snapshotNames()));
    else if (kind === "stop") await this.#call("stop", this.#does.stop());
    else if (kind === "start") await this.#call("start", this.#does.start());
    else await this.#drop();
    ender.abort();
    await killing;
    await this.#settle();
    // Only now is it known what a reset that lost its caller went back to.
    for (let extra = this.#snapshots.size - keptSnapshots; extra > 0; extra--) await this.#drop();
  }

  /** Nothing is under way any more after this, and the workspace runs. */
  async #settle(): Promise<void> {
    await this.#world.must(listAll);
    // It waits for its turn behind snapshots and resets that lost their callers.
    const settled = await this.#retried(this.#does.dropSnapshot("no-such-snapshot"));
    expect(settled).toMatchObject({ kind: "failed", code: "not_found" });
    const started = await this.#retried(this.#does.start());
    expect(started.kind, JSON.stringify(started)).toBe("done");
    await this.#learnReset();
  }

  async #learnReset(): Promise<void> {
    const status = await this.#world.must(this.#does.status());
    const { reset_count: resetCount } = status;
    if (resetCount === this.#resetCount) this.#wanted = undefined;
    if (resetCount === this.#resetCount || this.#wanted === undefined) {
      expect(resetCount).toBe(this.#resetCount);
      return;
    }
    expect(resetCount).toBe(this.#resetCount + 1);
    this.#resetCount += 1;
    this.#model.resetTo(this.#wanted);
    this.#wanted = undefined;
    this.#commands = new Map();
  }

  #wanted: string | undefined;

  async #reset(name: string): Promise<void> {
    this.#wanted = name;
    const outcome = await this.#call("reset", this.#does.reset(name), ["not_found"]);
    if (outcome.kind === "failed" && outcome.code === "not_found") {
      expect(this.#snapshots.get(name)).toBe("maybe");
    }
    if (outcome.kind === "done") expect(outcome.value["reset_count"]).toBe(this.#resetCount + 1);
  }

  async #drop(): Promise<void> {
    const [name] = [...this.#snapshots.keys()];
    if (name === undefined) return;
    const outcome = await this.#call("drop", this.#does.dropSnapshot(name), ["not_found"]);
    this.#model.dropSnapshot(name);
    if (outcome.kind === "done") this.#snapshots.delete(name);
    else this.#snapshots.set(name, "maybe");
  }

  /** Looks at everything that was acknowledged. */
  async verify(): Promise<void> {
    await this.#settle();
    await this.#verifyProcesses();
    await this.#verifyFiles();
    await this.#verifyLogs();
    const status = await this.#world.must(this.#does.status());
    expect(status["labels"]).toMatchObject(Object.fromEntries(this.#labels));
    await this.#verifySnapshots();
    for (const [path, text] of this.#exports) expect(await readFile(path, "utf8")).toBe(text);
  }

  async #verifyProcesses(): Promise<void> {
    const processes = await this.#world.processes();
    const ofKind = (kind: FoundProcess["kind"]) => processes.filter((found) => found.kind === kind);
    expect(ofKind("supervisor")).toHaveLength(1);
    expect(ofKind("qemu")).toHaveLength(1);
    const record = await this.#world.record(this.#id);
    const guardian = record?.["guardian"] as { pid: number } | null;
    expect(guardian?.pid ?? 2).toBeGreaterThan(1);
  }

  async #verifyFiles(): Promise<void> {
    const output = this.#world.outPath(`tree-${this.#n++}`);
    await this.#world.must(this.#does.export("/workspace", output));
    const files = new Map<string, string>();
    for (const entry of await readdir(output, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files.set(path.slice(output.length + 1), await readFile(path, "utf8"));
    }
    expect(this.#model.problems(files)).toEqual([]);
    const lines = [...files].filter(([path]) => path.startsWith("log-")).flatMap(([, text]) => text.split("\n"));
    this.#lines = new Set(lines);
  }

  #lines: ReadonlySet<string> = new Set();

  async #verifyLogs(): Promise<void> {
    let entries: readonly ShownCommand[] = [];
    for (let look = 0; look < 100; look++) {
      entries = (await this.#world.must(this.#does.logs()))["entries"] as readonly ShownCommand[];
      // A command whose caller was killed is being killed itself.
      if (!entries.some(({ state }) => state === "running")) break;
      await setTimeout(200);
    }
    expect(entries.filter(({ state }) => state === "running")).toEqual([]);
    const sequences = entries.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b));
    for (const [sequence, line] of this.#commands) {
      const entry = entries.find((candidate) => candidate.sequence === sequence);
      expect(entry, `command ${sequence}`).toMatchObject({ state: "ended", exit_code: 0, stdout: `did ${line}\n` });
    }
    for (const { exit_code: exitCode, command, sequence } of entries) {
      const line = command[4];
      if (exitCode === 0 && line)
        expect(this.#lines.has(line), `command ${sequence} is said to have worked`).toBe(true);
    }
  }

  async #verifySnapshots(): Promise<void> {
    const { snapshots } = await this.#world.must(this.#does.snapshots());
    const names = (snapshots as { snapshot_name: string }[]).map((snapshot) => snapshot.snapshot_name);
    const certain = [...this.#snapshots].filter(([, state]) => state === "there").map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(["baseline", ...certain]));
    expect(["baseline", ...this.#snapshots.keys()]).toEqual(expect.arrayContaining(names));
    for (const name of this.#snapshots.keys()) {
      if (names.includes(name)) continue;
      this.#snapshots.delete(name);
      this.#model.dropSnapshot(name);
    }
  }

  async delete(): Promise<void> {
    for (const { kind, pid, group } of await this.#world.processes()) {
      if (kind === "guardian" || kind === "qemu") this.groups.add(group);
      signalTo(pid, "SIGCONT");
    }
    await this.#world.must(this.#does.delete());
  }

  /** One call by one client. */
  async #step(client: number): Promise<void> {
    const random = this.#random;
    const kind = random.weighted({
      append: 6,
      write: 4,
      overwrite: 3,
      patch: 3,
      change: 2,
      snapshot: 2,
      label: 2,
      export: 2,
      start: 3,
      look: 3,
    });
    const number = this.#n++;
    const does = this.#does;
    const word = `${number}-${random.word()}`;
    const file = (path: string, text: string) => ({ path, text, form: "file" }) as const;
    switch (kind) {
      case "append":
        return this.#append(client, word);
      case "write": {
        const text = `${word}\n`.repeat(random.between(1, 2_000));
        await this.#change([file(`new/${word}.txt`, text)], kind, does.write(`new/${word}.txt`, text));
        return;
      }
      case "overwrite": {
        // Each client has one, so that its newest version is what counts.
        const [path, text] = [`again-${client}.txt`, `${word}\n`.repeat(random.between(1, 2_000))];
        await this.#change([file(path, text)], kind, does.write(path, text));
        return;
      }
      case "patch": {
        const path = `patched/${word}.txt`;
        await this.#change([file(path, `${word}\n`)], kind, does.patch(additionPatch(path, word)));
        return;
      }
      case "change": {
        const base = number % this.#seeded;
        const path = `base/${base}.txt`;
        const patch = changePatch(path, `line ${base}`, word);
        await this.#change([file(path, `${word}\n`)], kind, does.patch(patch));
        return;
      }
      case "snapshot":
        return this.#snapshot(`s${number}`);
      case "label": {
        const outcome = await this.#call(kind, does.label(`k${number % 60}`, word));
        if (outcome.kind === "done") this.#labels.set(`k${number % 60}`, word);
        else this.#labels.delete(`k${number % 60}`);
        return;
      }
      case "export": {
        const output = this.#world.outPath(`export-${number}`);
        const outcome = await this.#call(kind, does.export("base/0.txt", output));
        if (outcome.kind === "done") this.#exports.set(output, await readFile(output, "utf8"));
        return;
      }
      case "start":
        await this.#call(kind, does.start());
        return;
      case "look": {
        const look = random.pick([listAll, does.status(), does.logs(), does.summary(), does.diff(), does.files()]);
        await this.#call(`look-${look.args.slice(0, 1).join("-")}`, look);
      }
    }
  }

  async #append(client: number, word: string): Promise<void> {
    const path = `log-${client}.txt`;
    const script = `echo "$1" >> "$2"; echo "did $1"`;
    const command = ["sh", "-c", script, "sh", word, path];
    const outcome = await this.#model.effects(
      [{ path, text: word, form: "line" }],
      () => this.#call("append", this.#does.exec(command)),
      (ended) => ended.kind === "done" && exitCodeOf(ended.value) === 0,
    );
    if (outcome.kind !== "done") return;
    expect(outcome.value).toMatchObject({ exit_code: 0, stdout: `did ${word}\n` });
    this.#commands.set(Number(outcome.value["sequence"]), word);
  }

  async #snapshot(name: string): Promise<void> {
    const outcome = await this.#model.snapshot(name, () => this.#call("snapshot", this.#does.snapshot(name)));
    if (outcome.kind === "done") this.#snapshots.set(name, "there");
    else if (outcome.kind === "killed" || outcome.code === "outcome_unknown") this.#snapshots.set(name, "maybe");
  }

  async #change(effects: Parameters<Model["effects"]>[0], kind: string, operation: Operation): Promise<void> {
    await this.#model.effects(effects, () => this.#call(kind, operation));
  }

  /** Makes a call by some client; it may fail as long as it is honest about it. */
  async #call(kind: string, operation: Operation, alsoHonest: readonly string[] = []): Promise<Outcome> {
    const random = this.#random;
    const running = random.chance(0.6) ? this.#world.start(operation) : random.pick(this.#sdk).call(operation);
    this.#running.add(running);
    const outcome = await running.outcome;
    this.#running.delete(running);
    const how = outcome.kind === "failed" ? outcome.code : outcome.kind;
    this.#note(`${kind}:${how}`);
    if (outcome.kind === "failed") {
      const told = `${operation.args.join(" ").slice(0, 200)}: ${outcome.code}: ${outcome.message}`;
      expect([...honestCodes, ...alsoHonest], told).toContain(outcome.code);
      if (process.env["CHAOS_VERBOSE"]) console.log(told);
      // A caller finds that it has failed, and goes on.
      if (kind !== "start" && outcome.code === "failed_precondition" && random.chance(0.5)) {
        await this.#call("start", this.#does.start());
      }
    }
    return outcome;
  }

  async #retried(operation: Operation): Promise<Outcome> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#world.run(operation);
      const mayRetry = outcome.kind === "failed" && ["unavailable", "outcome_unknown"].includes(outcome.code);
      if (!mayRetry || attempt === 3) return outcome;
      this.#note(`retried:${outcome.code}`);
    }
  }

  #note(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

function exitCodeOf(value: Readonly<Record<string, unknown>>): unknown {
  return value["exit_code"];
}
