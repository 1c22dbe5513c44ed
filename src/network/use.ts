import * as z from "zod";
import type { Denial } from "./refuse.ts";

const process = z.string().nullable().describe("Name of the process; null if it is unknown");

export const deniedSchema = z.object({
  host: z.string(),
  port: z.number().nullable().describe("null: its name was asked for, and does not exist for this guest"),
  rule: z.string().describe("What denied it"),
  process,
  count: z.number(),
  howToAllow: z.string().describe("What the user can give to allow it"),
});
export type Denied = z.output<typeof deniedSchema>;

export const failedSchema = z.object({
  host: z.string(),
  port: z.number().nullable(),
  reason: z.string(),
  process,
  count: z.number(),
});

export const secretUseSchema = z.object({
  name: z.string(),
  host: z.string(),
  count: z.number().describe("Requests that it was put into"),
});

/** What a command did in the network. */
export const networkUseSchema = z
  .object({
    allowed: z.record(z.string(), z.number()).describe("Connections by host"),
    denied: z.array(deniedSchema).describe("What the network policy denied"),
    failed: z.array(failedSchema).describe("What was allowed and did not come about"),
    secrets: z.array(secretUseSchema).default([]).describe("Secrets that the host put into its requests"),
  })
  .nullable()
  .describe("What it did in the network; null: nothing");
export type NetworkUse = z.output<typeof networkUseSchema>;

/** Limit for the different entries of each list, for a guest that tries everything */
const maxEntries = 50;

/** What became of something that a guest's process tried. */
export type Verdict =
  | { readonly verdict: "allowed" }
  | ({ readonly verdict: "denied" } & Denial)
  | { readonly verdict: "failed"; readonly reason: string };

/** Something that a guest's process tried, and what became of it. */
export type Attempt = Verdict & {
  readonly host: string;
  readonly port: number | null;
  readonly process: string | null;
};

/** Counts what the processes of one command tried. */
export class NetworkTally {
  readonly #allowed = new Map<string, number>();
  readonly #denied = new Map<string, Denied>();
  readonly #failed = new Map<string, z.output<typeof failedSchema>>();
  readonly #secrets = new Map<string, z.output<typeof secretUseSchema>>();

  count({ host, port, process: by, ...rest }: Attempt): void {
    if (rest.verdict === "allowed") {
      const known = this.#allowed.get(host);
      if (known !== undefined || this.#allowed.size < maxEntries) this.#allowed.set(host, (known ?? 0) + 1);
    } else if (rest.verdict === "denied") {
      const { rule, howToAllow } = rest;
      countIn(this.#denied, { host, port, rule, process: by, count: 1, howToAllow }, rule);
    } else {
      countIn(this.#failed, { host, port, reason: rest.reason, process: by, count: 1 });
    }
  }

  /** Counts a request that a secret was put into. */
  countSecret(name: string, host: string): void {
    const key = `${name} ${host}`;
    const known = this.#secrets.get(key);
    if (known) known.count += 1;
    else if (this.#secrets.size < maxEntries) this.#secrets.set(key, { name, host, count: 1 });
  }

  get use(): NetworkUse {
    return {
      allowed: Object.fromEntries(this.#allowed),
      denied: [...this.#denied.values()],
      failed: [...this.#failed.values()],
      secrets: [...this.#secrets.values()],
    };
  }
}

function countIn<E extends { host: string; port: number | null; process: string | null; count: number }>(
  entries: Map<string, E>,
  entry: E,
  rule?: string,
): void {
  const key = JSON.stringify([entry.host, entry.port, entry.process, rule]);
  const known = entries.get(key);
  if (known) known.count += 1;
  else if (entries.size < maxEntries) entries.set(key, entry);
}
