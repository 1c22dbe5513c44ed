import { appendFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { SerialQueue } from "../core/async.ts";
import { checkWire, fromWire, toWire } from "../core/wire-case.ts";
import { textOf } from "./text-file.ts";

const currentName = "ledger.jsonl";
const olderName = "ledger.1.jsonl";
/** Limit for each of the two files, in bytes. The older one is replaced when the other is full */
const maxFileBytes = 1024 * 1024;

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
  }),
  "ledger entry",
);
export type LedgerEntry = z.output<typeof ledgerEntrySchema>;

/** Appends to the ledger of a workspace's network. Only this process writes it. */
export class LedgerWriter {
  readonly #dir: string | undefined;
  readonly #writes = new SerialQueue();

  /** Without a folder nothing is kept. */
  constructor(dir: string | undefined) {
    this.#dir = dir;
  }

  /** Never fails: a full disk must not end a guest's connections. */
  record(entry: LedgerEntry): void {
    const dir = this.#dir;
    if (dir === undefined) return;
    const line = `${JSON.stringify(toWire(ledgerEntrySchema, entry))}\n`;
    void this.#writes.run(() => append(dir, line)).catch(() => {});
  }

  /** Resolves when the operating system has all that was recorded. */
  async idle(): Promise<void> {
    await this.#writes.idle();
  }
}

async function append(dir: string, line: string): Promise<void> {
  const path = join(dir, currentName);
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size > 0 && size + line.length > maxFileBytes) await rename(path, join(dir, olderName));
  await appendFile(path, line, { mode: 0o600 });
}

/** The ledger from its oldest entry, without lines that a crash has cut off. */
export async function readLedger(dir: string): Promise<readonly LedgerEntry[]> {
  const texts = await Promise.all([olderName, currentName].map((name) => textOf(join(dir, name))));
  return texts.join("").split("\n").flatMap(parseLine);
}

function parseLine(line: string): readonly LedgerEntry[] {
  try {
    return line === "" ? [] : [fromWire(ledgerEntrySchema, JSON.parse(line))];
  } catch {
    return [];
  }
}
