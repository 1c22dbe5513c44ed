import type { Outcome } from "./clients.ts";

/**
 * Something that was asked for, which must be there if it was acknowledged, and may be there,
 * whole, if not.
 */
export interface Effect {
  /** In the order in which they were asked for */
  readonly id: number;
  readonly path: string;
  /** All of the file, or one line of it */
  readonly text: string;
  readonly form: "file" | "line";
}

/** What a tree must hold, and what it may. */
export interface Expected {
  readonly must: ReadonlySet<Effect>;
  readonly may: ReadonlySet<Effect>;
}

/** Codes of an operation that was not carried out */
const saysNo: readonly string[] = ["unavailable", "failed_precondition", "not_found", "invalid_argument"];

const nothing: Expected = { must: new Set(), may: new Set() };

/** What the workspace's files must be, from what was asked of it and what it has acknowledged. */
export class Model {
  readonly #seeded: ReadonlyMap<string, string>;
  #now: { must: Set<Effect>; may: Set<Effect> } = { must: new Set(), may: new Set() };
  readonly #snapshots = new Map<string, Expected>([["baseline", nothing]]);
  #nextId = 1;

  constructor(seeded: ReadonlyMap<string, string>) {
    this.#seeded = seeded;
  }

  get now(): Expected {
    return this.#now;
  }

  snapshotNames(): readonly string[] {
    return [...this.#snapshots.keys()];
  }

  /** Asks for effects that happen together; they count as soon as the call is acknowledged. */
  async effects(
    wanted: readonly Omit<Effect, "id">[],
    call: () => Promise<Outcome>,
    isDone: (outcome: Outcome) => boolean = ({ kind }) => kind === "done",
  ): Promise<Outcome> {
    const effects = wanted.map((effect) => ({ ...effect, id: this.#nextId++ }));
    const { must, may } = this.#now;
    for (const effect of effects) may.add(effect);
    const outcome = await call();
    if (isDone(outcome)) for (const effect of effects) must.add(effect);
    // What is said not to have happened must not be there either.
    if (outcome.kind === "failed" && saysNo.includes(outcome.code)) for (const effect of effects) may.delete(effect);
    return outcome;
  }

  /**
   * A snapshot has what was acknowledged before it began, and nothing that was asked for after its
   * end.
   */
  async snapshot(name: string, call: () => Promise<Outcome>): Promise<Outcome> {
    const must = new Set(this.#now.must);
    const outcome = await call();
    if (outcome.kind !== "failed" || outcome.code === "outcome_unknown") {
      // One that lost its caller may still be made later.
      this.#snapshots.set(name, { must, may: outcome.kind === "done" ? new Set(this.#now.may) : this.#now.may });
    }
    return outcome;
  }

  dropSnapshot(name: string): void {
    this.#snapshots.delete(name);
  }

  /** Only when nothing else is under way. */
  resetTo(name: string): void {
    const { must, may } = this.#snapshots.get(name) ?? nothing;
    this.#now = { must: new Set(must), may: new Set(may) };
  }

  /** Everything that is wrong with these files. */
  problems(files: ReadonlyMap<string, string>): readonly string[] {
    const byPath = new Map<string, { must: Effect[]; may: Effect[] }>();
    for (const path of this.#seeded.keys()) byPath.set(path, { must: [], may: [] });
    for (const effect of this.#now.may) {
      const known = byPath.get(effect.path) ?? { must: [], may: [] };
      known.may.push(effect);
      if (this.#now.must.has(effect)) known.must.push(effect);
      byPath.set(effect.path, known);
    }
    const strangers = [...files.keys()].filter((path) => !byPath.has(path)).map((path) => `no call wrote '${path}'`);
    const wrong = [...byPath].flatMap(([path, { must, may }]) => {
      const [form] = may.map((effect) => effect.form);
      const found = files.get(path);
      return form === "line"
        ? lineProblems(path, found ?? "", must, may)
        : fileProblems(path, found, { must, may, seeded: this.#seeded.get(path) });
    });
    return [...strangers, ...wrong];
  }
}

function lineProblems(path: string, content: string, must: readonly Effect[], may: readonly Effect[]): string[] {
  const lines = withoutTornEnds(content, must, may)
    .split("\n")
    .filter((line) => line !== "");
  const count = (text: string) => lines.filter((line) => line === text).length;
  const known = new Set(may.map(({ text }) => text));
  return [
    ...must
      .filter(({ text }) => count(text) !== 1)
      .map(({ text }) => `'${path}': ${text} is there ${count(text)} times`),
    ...may.filter(({ text }) => count(text) > 1).map(({ text }) => `'${path}': ${text} is there twice`),
    ...lines.filter((line) => !known.has(line)).map((line) => `'${path}': no call wrote the line '${line}'`),
  ];
}

/**
 * The content without the zeros that ext4 leaves in place of an append, if the machine ends between
 * the new size of the file and its data. Nothing acknowledged is lost by that, so there
 * can be as many as lines that were not acknowledged have characters.
 */
function withoutTornEnds(content: string, must: readonly Effect[], may: readonly Effect[]): string {
  const isTold = new Set(must);
  let left = may.filter((effect) => !isTold.has(effect)).reduce((sum, { text }) => sum + text.length + 1, 0);
  return content.replace(/\0+/g, (zeros) => {
    left -= zeros.length;
    return left < 0 ? zeros : "";
  });
}

/** Each path has one writer that calls in turn, so the newest acknowledged write counts. */
function fileProblems(
  path: string,
  found: string | undefined,
  { must, may, seeded }: { must: readonly Effect[]; may: readonly Effect[]; seeded: string | undefined },
): string[] {
  const newest = Math.max(0, ...must.map(({ id }) => id));
  const allowed = may.filter(({ id }) => id >= newest).map(({ text }) => text);
  if (found === undefined) return newest === 0 && seeded === undefined ? [] : [`'${path}' is missing`];
  if (allowed.includes(found) || (newest === 0 && found === seeded)) return [];
  const old = may.find(({ text }) => text === found);
  const what = old ? `effect ${old.id}` : `${found.length} bytes beginning '${found.slice(0, 40)}'`;
  return [`'${path}' has ${what}, not effect ${newest} or later (${allowed.length} candidates)`];
}
