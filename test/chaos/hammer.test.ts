import { expect, test } from "vitest";
import { describeWithVm } from "../helpers/vm.ts";
import type { Operation, SdkClient } from "./clients.ts";
import { additionPatch, changePatch, operationsOn } from "./operations.ts";
import { chosenSeed, Random, sizeFromEnvironment } from "./random.ts";
import { World } from "./world.ts";

const stepsPerProcess = sizeFromEnvironment("CHAOS_HAMMER_STEPS", 25);
const callsAtOnce = 3;

interface Ran {
  readonly sequence: number;
  readonly stdout: string;
}

interface Entry extends Ran {
  readonly state: string;
  readonly exit_code: number;
}

/** One of the processes, with several calls at a time; each slot has files of its own. */
class Hammer {
  readonly ran: Ran[] = [];
  /** Path to content, as acknowledged */
  readonly files = new Map<string, string>();
  readonly snapshots: string[] = [];
  readonly #random: Random;
  readonly #client: SdkClient;
  readonly #does: ReturnType<typeof operationsOn>;
  readonly #name: string;
  #n = 0;

  constructor(name: string, random: Random, client: SdkClient, workspaceId: string) {
    this.#name = name;
    this.#random = random;
    this.#client = client;
    this.#does = operationsOn(workspaceId);
  }

  /** Lines of the journal that are longer than Node writes at once, all at the same time. */
  async runLong(): Promise<void> {
    await Promise.all(
      Array.from({ length: callsAtOnce }, () => this.#execLong(`${this.#name}-${this.#random.word()}`)),
    );
  }

  async run(): Promise<void> {
    const slot = async (index: number) => {
      while (this.#n < stepsPerProcess) await this.#step(index, this.#n++);
    };
    await Promise.all(Array.from({ length: callsAtOnce }, (_, index) => slot(index)));
  }

  async #step(slot: number, n: number): Promise<void> {
    const does = this.#does;
    const word = `${this.#name}-${n}-${this.#random.word()}`;
    const path = `${this.#name}-${slot}.txt`;
    const kind = this.#random.weighted({
      echo: 6,
      flood: 2,
      long: 1,
      write: 4,
      read: 3,
      patch: 3,
      diff: 1,
      snapshot: 1,
    });
    switch (kind) {
      case "echo":
        return this.#exec(["sh", "-c", `echo ${word}; echo ${word} >&2`], `${word}\n`);
      case "flood":
        return this.#exec(["sh", "-c", `yes ${word} | head -n 20000`], `${word}\n`.repeat(20_000));
      case "long":
        // One line of the journal that is longer than Node writes at once.
        return this.#exec(
          ["sh", "-c", "echo $1", "sh", word, ...Array<string>(10).fill("x".repeat(60_000))],
          `${word}\n`,
        );
      case "write":
        await this.#must(does.write(path, `${word}\n`));
        this.files.set(path, `${word}\n`);
        return;
      case "read": {
        const known = this.files.get(path);
        if (known === undefined) return;
        expect((await this.#must(does.read(path)))["content"]).toBe(known);
        return;
      }
      case "patch":
        return this.#patch(path, word);
      case "diff": {
        const { entries } = await this.#must(does.diff());
        const paths = (entries as { path: string }[]).map((entry) => entry.path);
        const own = this.files.has(path) ? [`/workspace/${path}`] : [];
        expect(paths).toEqual(expect.arrayContaining(own));
        return;
      }
      case "snapshot":
        if (this.snapshots.length >= 10) return;
        this.snapshots.push(word);
        await this.#must(does.snapshot(word));
    }
  }

  async #patch(path: string, word: string): Promise<void> {
    const known = this.files.get(path);
    const patch = known === undefined ? additionPatch(path, word) : changePatch(path, known.trimEnd(), word);
    await this.#must(this.#does.patch(patch));
    this.files.set(path, `${word}\n`);
  }

  #execLong(word: string): Promise<void> {
    const filling = Array<string>(10).fill("x".repeat(60_000));
    return this.#exec(["sh", "-c", "echo $1", "sh", word, ...filling], `${word}\n`);
  }

  async #exec(command: readonly string[], stdout: string): Promise<void> {
    const result = await this.#must(this.#does.exec(command));
    // Not compared as a whole: the difference of two long texts is slow to show.
    expect(result["stdout"] === stdout, `stdout of ${command.slice(0, 3).join(" ")}`).toBe(true);
    this.ran.push({ sequence: Number(result["sequence"]), stdout });
  }

  async #must(operation: Operation): Promise<Readonly<Record<string, unknown>>> {
    const outcome = await this.#client.call(operation).outcome;
    if (outcome.kind === "done") return outcome.value;
    throw new Error(`'${operation.args.join(" ").slice(0, 200)}' did not work: ${JSON.stringify(outcome)}`);
  }
}

describeWithVm("two processes on one workspace", () => {
  test("lose nothing, and hear only their own", async () => {
    const random = new Random(chosenSeed("hammer"));
    await using world = await World.create();
    const id = await world.createWorkspace();
    const hammers = ["left", "right"].map(
      (name) => new Hammer(name, new Random(random.between(0, 2 ** 31)), world.newSdkClient(), id),
    );
    await Promise.all(hammers.map((hammer) => hammer.runLong()));
    await Promise.all(hammers.map((hammer) => hammer.run()));

    const does = operationsOn(id);
    const { entries } = (await world.must(does.logs())) as unknown as { entries: readonly Entry[] };
    const ran = hammers.flatMap((hammer) => hammer.ran);
    expect(entries.map(({ sequence }) => sequence)).toEqual(ran.map((_, index) => index + 1));
    for (const { sequence, stdout } of ran) {
      const entry = entries[sequence - 1];
      expect(entry).toMatchObject({ state: "ended", exit_code: 0 });
      expect(entry?.stdout === stdout, `output of command ${sequence} in the logs`).toBe(true);
    }
    const { command_count: commandCount } = await world.must(does.status());
    expect(commandCount).toBe(ran.length);
    for (const [path, text] of hammers.flatMap((hammer) => [...hammer.files])) {
      expect((await world.must(does.read(path)))["content"]).toBe(text);
    }
    const { snapshots } = await world.must(does.snapshots());
    const names = (snapshots as { snapshot_name: string }[]).map((snapshot) => snapshot.snapshot_name);
    expect(names.toSorted()).toEqual(["baseline", ...hammers.flatMap((hammer) => hammer.snapshots)].toSorted());
    await world.must(does.delete());
    await world.expectNothingLeft();
  });
});
