import { appendFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SerialQueue } from "../core/async.ts";
import { checkWire, fromWire, toWire } from "../core/wire-case.ts";
import { textOf } from "./text-file.ts";

/** A file that is appended to. When it is full, it takes the place of the older one. */
interface Series {
  readonly current: string;
  readonly older: string;
}

const connections: Series = { current: "ledger.jsonl", older: "ledger.1.jsonl" };
/** What came to nothing is apart, so that a flood of it does not push out the rest. */
const denials: Series = { current: "denied.jsonl", older: "denied.1.jsonl" };
/** Limit for each file, in bytes */
const maxFileBytes = 512 * 1024;

/** One line of the ledger: a connection, or a name that was denied. */
export const ledgerEntrySchema = checkWire(
  z.object({
    at: z.string().describe("When it began"),
    process: z.string().nullable(),
    pid: z.number().nullable(),
    command: z.string().nullable().describe("The command that the process belonged to"),
    host: z.string().describe("Name, or literal address"),
    port: z.number().nullable().describe("null: only the name was asked for"),
    address: z.string().nullable().describe("The address that was dialled"),
    verdict: z.enum(["allowed", "denied", "failed"]),
    reason: z.string().nullable().describe("The rule that denied it, or why it failed"),
    howToAllow: z.string().nullable(),
    sentBytes: z.number(),
    receivedBytes: z.number(),
    durationMs: z.number(),
    isOpen: z.boolean(),
    secrets: z
      .array(z.object({ name: z.string(), count: z.number() }))
      .default([])
      .describe("Secrets that the host put into its requests, and into how many"),
  }),
  "ledger entry",
);
export type LedgerEntry = z.output<typeof ledgerEntrySchema>;

/** An entry without what `redact` takes out of the guest's words. */
export function redactedEntry(entry: LedgerEntry, redact: (text: string) => string): LedgerEntry {
  const words = (text: string | null) => text && redact(text);
  return {
    ...entry,
    host: redact(entry.host),
    process: words(entry.process),
    reason: words(entry.reason),
    howToAllow: words(entry.howToAllow),
  };
}

/** Appends to the ledger of a workspace's network. Only its supervisor may write it. */
export class LedgerWriter {
  readonly #dir: string | undefined;
  readonly #redact: (text: string) => string;
  readonly #writes = new SerialQueue();
  /** Lines that wait for the write before them, and then go together */
  readonly #waiting = new Map<Series, string[]>();

  /** Without a folder nothing is kept. `redact` gets all words of the guest. */
  constructor(dir: string | undefined, redact = (text: string) => text) {
    this.#dir = dir;
    this.#redact = redact;
  }

  /** Never fails: a full disk must not end a guest's connections. */
  record(entry: LedgerEntry): void {
    const dir = this.#dir;
    if (dir === undefined) return;
    const series = entry.verdict === "allowed" ? connections : denials;
    const line = `${JSON.stringify(toWire(ledgerEntrySchema, redactedEntry(entry, this.#redact)))}\n`;
    const waiting = this.#waiting.get(series);
    if (waiting) {
      waiting.push(line);
      return;
    }
    this.#waiting.set(series, [line]);
    const write = () => {
      const lines = this.#waiting.get(series) ?? [];
      this.#waiting.delete(series);
      return append(dir, series, lines);
    };
    void this.#writes.run(write).catch(() => {});
  }

  /** Resolves when the operating system has all that was recorded. */
  async idle(): Promise<void> {
    await this.#writes.idle();
  }
}

async function append(dir: string, { current, older }: Series, lines: readonly string[]): Promise<void> {
  const path = join(dir, current);
  let { size } = await stat(path).catch(() => ({ size: 0 }));
  let text = "";
  for (const line of lines) {
    const used = size + text.length;
    if (used > 0 && used + line.length > maxFileBytes) {
      if (text !== "") await appendFile(path, text, { mode: 0o600 });
      await rename(path, join(dir, older));
      [size, text] = [0, ""];
    }
    text += line;
  }
  await appendFile(path, text, { mode: 0o600 });
}

/** The ledger from its oldest entry, without lines that a crash has cut off. */
export async function readLedger(dir: string): Promise<readonly LedgerEntry[]> {
  const names = [connections, denials].flatMap(({ older, current }) => [older, current]);
  const texts = await Promise.all(names.map((name) => textOf(join(dir, name))));
  const entries = texts.flatMap((text) => text.split("\n").flatMap(parseLine));
  // Times of one format are in the order of their text.
  return entries.toSorted((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)));
}

function parseLine(line: string): readonly LedgerEntry[] {
  try {
    return line === "" ? [] : [fromWire(ledgerEntrySchema, JSON.parse(line))];
  } catch {
    return [];
  }
}
