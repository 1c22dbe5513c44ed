import { appendFile } from "node:fs/promises";
import { SerialQueue } from "../core/async.ts";
import { textOf } from "./text-file.ts";

/**
 * The first address that stands for a name. The pool, 198.18.0.0/15, is set aside for benchmarks
 * (RFC 2544), so no server has an address of it. The guest's name server has the first one.
 */
const firstAddress = 0xc6_12_01_00;
/** Limit for a guest that makes names up */
const maxNames = 16_384;

/**
 * Addresses that stand for names. A name keeps its address as long as the workspace lives, so what
 * programs of the guest remember stays right.
 */
export class SyntheticAddresses {
  readonly #path: string | undefined;
  readonly #redact: (text: string) => string;
  readonly #names: string[];
  readonly #indexOf: Map<string, number>;
  readonly #writes = new SerialQueue();

  private constructor(path: string | undefined, names: readonly string[], redact: (text: string) => string) {
    this.#path = path;
    this.#redact = redact;
    this.#names = [...names];
    this.#indexOf = new Map(names.map((name, index) => [name, index]));
  }

  /**
   * Without a path the addresses last as long as this process, and so do those of names that
   * `redact` changes.
   */
  static async open(path?: string, redact = (text: string) => text): Promise<SyntheticAddresses> {
    return new SyntheticAddresses(path, path === undefined ? [] : await namesIn(path), redact);
  }

  /** The address that stands for a name; undefined if there are too many names. */
  async addressOf(name: string): Promise<string | undefined> {
    const index = this.#indexOf.get(name) ?? (await this.#writes.run(() => this.#add(name)));
    return index === undefined ? undefined : addressAt(index);
  }

  /** The name that an address stands for; undefined if none does. */
  nameAt(address: string): string | undefined {
    const parts = address.split(".").map(Number);
    if (parts.length !== 4) return undefined;
    const value = parts.reduce((sum, part) => sum * 256 + part, 0);
    return this.#names[value - firstAddress];
  }

  async #add(name: string): Promise<number | undefined> {
    const known = this.#indexOf.get(name);
    if (known !== undefined || this.#names.length >= maxNames) return known;
    // The guest must not get an address that another name has after a restart.
    if (this.#path !== undefined) await appendFile(this.#path, `${this.#redact(name)}\n`, { mode: 0o600 });
    const index = this.#names.push(name) - 1;
    this.#indexOf.set(name, index);
    return index;
  }
}

/** Names that have an address, in a file of `SyntheticAddresses`, from the first one. */
export async function namedAddresses(path: string): Promise<{ name: string; address: string }[]> {
  const names = (await textOf(path)).split("\n").slice(0, -1);
  return names.map((name, index) => ({ name, address: addressAt(index) }));
}

function addressAt(index: number): string {
  const value = firstAddress + index;
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");
}

async function namesIn(path: string): Promise<string[]> {
  const text = await textOf(path);
  if (text === "") return [];
  // A crash can leave half a name, which keeps its number, so that the next one gets another.
  if (!text.endsWith("\n")) await appendFile(path, "\n");
  return text.replace(/\n$/, "").split("\n");
}
