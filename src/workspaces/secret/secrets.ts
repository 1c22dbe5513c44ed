import { isDeepStrictEqual } from "node:util";
import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import type { BrokeredSecret } from "../../network/broker/secret.ts";
import type { NetworkUse } from "../../network/use.ts";
import { type SecretRecord, withEarlierPlaceholder } from "../record/secret.ts";
import { SecretMatcher, withoutRanges } from "./matcher.ts";
import { StreamRedactor } from "./redactor.ts";
import { type HeldSecret, isOutdated, isReadByOwner, readSource } from "./source.ts";

/** Values that are still looked for. A guest can have kept an old one */
const maxKnownValues = 512;
/** Pause before a source that has failed is read again for a command that has not asked for it */
const readAgainMs = 30_000;

/** Takes new values to where they belong: those for the guest to it, and all to the record. */
type OnChange = (changedForGuest: readonly HeldSecret[]) => Promise<void>;

/**
 * The secrets of a running workspace. Only this class has their values, in the memory of the
 * supervisor: it hands them to commands that ask for them, and takes them out of what leaves.
 */
export class WorkspaceSecrets {
  readonly #held = new Map<string, HeldSecret>();
  readonly #reads = new Map<string, Promise<HeldSecret>>();
  readonly #failedAtMs = new Map<string, number>();
  #known: readonly string[] = [];
  #matcher = new SecretMatcher([]);
  #records: readonly SecretRecord[];
  #onChange: OnChange = async () => {};

  constructor(records: readonly SecretRecord[] = [], held: readonly HeldSecret[] = []) {
    this.#records = records;
    this.#hold(held);
  }

  /** What the record of the workspace says of them */
  get records(): SecretRecord[] {
    return this.#records.map((record) => ({ ...record, available: this.#held.has(record.name) }));
  }

  /** Values for the guest. Those that are for certain hosts stay here */
  get forGuest(): readonly HeldSecret[] {
    return this.#records.flatMap(({ name, hosts }) => (hosts.length === 0 ? (this.#held.get(name) ?? []) : []));
  }

  /** Those that are for certain hosts, with placeholders for the guest. */
  get brokered(): readonly BrokeredSecret[] {
    return this.#records.flatMap((record) => {
      const { name, hosts, placeholder, inQuery } = record;
      if (placeholder === null) return [];
      const value = async () => (await this.#current(record)).value;
      return { name, hosts, placeholder, inQuery, value };
    });
  }

  /** Finds values, old ones included */
  get matcher(): SecretMatcher {
    return this.#matcher;
  }

  onChange(work: OnChange): void {
    this.#onChange = work;
  }

  /** Takes values out of one stream. */
  stream(): StreamRedactor {
    return new StreamRedactor(() => this.#matcher);
  }

  /** The same data with a marker for each value in its texts. */
  redacted<T>(data: T): T {
    return this.#matcher.isEmpty ? data : (this.#without(data) as T);
  }

  /** The same for what a command did in the network, which has hosts as names of fields. */
  redactedUse(use: NetworkUse): NetworkUse {
    if (use === null || this.#matcher.isEmpty) return use;
    const allowed = Object.entries(use.allowed).map(([host, count]) => [this.#withoutIn(host), count]);
    return { ...this.redacted(use), allowed: Object.fromEntries(allowed) };
  }

  /** Refuses a name that has a value in it, because names are shown and kept as they are. */
  requireNone(what: string, texts: readonly string[]): void {
    if (!texts.some((text) => this.#matcher.find(Buffer.from(text)).length > 0)) return;
    throw new PyroError("invalid_argument", `cannot use that ${what}: it has the value of a secret in it`);
  }

  /** Adds secrets, or gives new values to those that are there. */
  async use(given: readonly SecretRecord[], held: readonly HeldSecret[]): Promise<void> {
    const records = given.map((record) => withEarlierPlaceholder(record, this.#records));
    for (const record of records) this.#requireSameHosts(record);
    const names = new Set(records.map(({ name }) => name));
    this.#records = [...this.#records.filter(({ name }) => !names.has(name)), ...records];
    this.#hold(held);
    await this.#tellOfChange(held);
  }

  /**
   * Variables for a command, by the secrets that it asked for: `{ SECRET: VARIABLE }`. Whatever
   * uses secrets calls this first, because it also reads again what has changed or expires.
   */
  async variables(
    secretEnv: Readonly<Record<string, string>> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<Record<string, string>> {
    this.#refreshOthers(new Set(Object.keys(secretEnv)));
    const variables: Record<string, string> = {};
    for (const [name, variable] of Object.entries(secretEnv)) {
      if (Object.hasOwn(env, variable) || Object.hasOwn(variables, variable)) {
        throw new PyroError("invalid_argument", `cannot use secret '${name}': the variable ${variable} is given twice`);
      }
      const record = this.#named(name);
      // Also for a placeholder, which is worth nothing without a value.
      const { value } = await this.#current(record);
      // As `$(cat FILE)` gives it.
      variables[variable] = record.placeholder ?? value.replace(/(?:\r?\n)+$/, "");
    }
    return variables;
  }

  /** Which hosts get a secret is decided when a machine starts. */
  #requireSameHosts({ name, hosts }: SecretRecord): void {
    const before = this.#records.find((record) => record.name === name)?.hosts ?? [];
    if (isDeepStrictEqual(hosts, before)) return;
    throw new PyroError("failed_precondition", `cannot use secret '${name}' for other hosts while the workspace runs`, {
      hint: hint`${toRun("workspace.stop")}, then start it with that secret.`,
    });
  }

  #named(name: string): SecretRecord {
    const found = this.#records.find((record) => record.name === name);
    if (found) return found;
    const names = this.#records.map((record) => record.name);
    throw new PyroError("invalid_argument", `cannot use secret '${name}': the workspace has no such secret`, {
      hint: names.length === 0 ? "Create the workspace with it." : `Use one of ${names.join(", ")}.`,
    });
  }

  /** The value as it is now where it comes from. */
  async #current(record: SecretRecord): Promise<HeldSecret> {
    const { name } = record;
    const held = this.#held.get(name);
    if (!isReadByOwner(record)) {
      if (held) return held;
      throw unavailable(record);
    }
    if (held && !(await isOutdated(record, held))) return held;
    const reading = this.#reads.get(name) ?? this.#read(record);
    this.#reads.set(name, reading);
    return reading.finally(() => this.#reads.delete(name));
  }

  async #read(record: SecretRecord): Promise<HeldSecret> {
    const { name } = record;
    const read = await readSource(record).catch((error: unknown) => {
      this.#failedAtMs.set(name, performance.now());
      throw error;
    });
    this.#failedAtMs.delete(name);
    const isNew = this.#held.get(name)?.value !== read.value;
    this.#hold([read]);
    if (isNew) await this.#tellOfChange([read]);
    return read;
  }

  /** Keeps the guest's files up to date, for commands that read those. None waits for it. */
  #refreshOthers(asked: ReadonlySet<string>): void {
    for (const record of this.#records) {
      const failedMs = performance.now() - (this.#failedAtMs.get(record.name) ?? Number.NEGATIVE_INFINITY);
      if (asked.has(record.name) || !isReadByOwner(record) || failedMs < readAgainMs) continue;
      this.#current(record).catch(() => {
        // A command that asks for it by name is told.
      });
    }
  }

  /** A value that is for certain hosts never gets to the guest, a new one neither. */
  #tellOfChange(changed: readonly HeldSecret[]): Promise<void> {
    const names = new Set(this.forGuest.map(({ name }) => name));
    return this.#onChange(changed.filter(({ name }) => names.has(name)));
  }

  #hold(held: readonly HeldSecret[]): void {
    for (const secret of held) this.#held.set(secret.name, secret);
    const given = held.map(({ value }) => value);
    const hasNew = given.some((value) => !this.#known.includes(value));
    // Values in use come first: one that changes often must push out no other that is in use.
    const current = [...this.#held.values()].map(({ value }) => value);
    this.#known = [...new Set([...current, ...given, ...this.#known])].slice(0, maxKnownValues);
    if (hasNew) this.#matcher = new SecretMatcher(this.#known);
  }

  #without(data: unknown): unknown {
    if (typeof data === "string") return this.#withoutIn(data);
    if (Array.isArray(data)) return data.map((item) => this.#without(item));
    if (typeof data !== "object" || data === null) return data;
    return Object.fromEntries(Object.entries(data).map(([key, item]) => [key, this.#without(item)]));
  }

  #withoutIn(text: string): string {
    const bytes = Buffer.from(text);
    const ranges = this.#matcher.find(bytes);
    return ranges.length === 0 ? text : withoutRanges(bytes, ranges).toString();
  }
}

function unavailable({ name, source }: SecretRecord): PyroError {
  const reason = source.kind === "literal" ? "its value has gone with a stop of the workspace" : "its value is unknown";
  return new PyroError("failed_precondition", `cannot use secret '${name}': ${reason}`, {
    hint: hint`${toRun("workspace.start")} with that secret again.`,
  });
}
