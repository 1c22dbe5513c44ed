import * as z from "zod";
import { hostAndPort } from "../../network/host-port.ts";
import { type LedgerEntry, ledgerEntrySchema } from "../../network/ledger.ts";
import { presets } from "../../network/policy/presets.ts";
import { defineOperation } from "../../operations/operation.ts";
import { currentRecord } from "../control/access.ts";
import { workspaceId, workspaceView } from "../life/workspace-view.ts";
import { workspaceLedger } from "./caller.ts";

const defaultLimit = 200;

export const workspaceNetwork = defineOperation({
  name: "workspace.network",
  summary: "Show what a workspace has reached in the network, and what was denied",
  effect: "read",
  input: z.object({
    workspaceId,
    deniedOnly: z.boolean().default(false).describe("Only what the network policy denied"),
    limit: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(defaultLimit)
      .describe("How many entries to show, of the latest"),
  }),
  output: workspaceView.pick({ workspaceId: true, networkPolicy: true, networkRules: true }).extend({
    total: z.number().describe("Entries that there are"),
    entries: z.array(ledgerEntrySchema),
  }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace network 0a1b2c3d4e5f", "workspace network 0a1b2c3d4e5f --denied-only --json"],
    text: ({ entries, total }) => {
      if (entries.length === 0) return "Nothing yet.\n";
      const more = total - entries.length;
      return `${more > 0 ? `… and ${more} before\n` : ""}${entries.map((entry) => `${entryLine(entry)}\n`).join("")}`;
    },
  },
  async handle({ engine: context, signal }, { workspaceId: id, deniedOnly, limit }) {
    const { network } = await currentRecord(context, id);
    const { mode, ...networkRules } = network;
    const all = await workspaceLedger({ context, workspaceId: id, signal });
    const wanted = deniedOnly ? all.filter(({ verdict }) => verdict === "denied") : all;
    return { workspaceId: id, networkPolicy: mode, networkRules, total: wanted.length, entries: wanted.slice(-limit) };
  },
});

/** A line of the ledger for people and models. */
export function entryLine(entry: LedgerEntry): string {
  const { at, verdict, host, port, address, process, command, reason, howToAllow } = entry;
  const where = port === null ? host : hostAndPort(host, port);
  const facts = [
    ...(address === null || address === host ? [] : [`address=${address}`]),
    ...(process === null ? [] : [`process=${process}`]),
    ...(command === null ? [] : [`by=${command.replace(" ", "-")}`]),
    ...(verdict === "allowed" ? [`sent=${entry.sentBytes} received=${entry.receivedBytes}`] : []),
    ...entry.secrets.map(({ name, count }) => `secret=${name}:${count}`),
    ...(entry.isOpen ? ["open"] : verdict === "allowed" ? [`duration_ms=${entry.durationMs}`] : []),
  ];
  const why = reason === null ? "" : `: ${reason}${howToAllow ? `; to allow it: ${howToAllow}` : ""}`;
  return `${at} ${verdict} ${where} ${facts.join(" ")}${why}`.trimEnd();
}

export const networkPresets = defineOperation({
  name: "network.presets",
  summary: "List the sets of hosts that --allow takes",
  effect: "read",
  input: z.object({}),
  output: z.object({
    presets: z.array(z.object({ name: z.string(), description: z.string(), rules: z.array(z.string()) })),
  }),
  cli: {
    examples: ["network presets", "network presets --json"],
    text: ({ presets: all }) =>
      all.map(({ name, description, rules }) => `${name.padEnd(10)} ${description}: ${rules.join(", ")}\n`).join(""),
  },
  async handle() {
    return { presets: presets.map(({ rules, ...preset }) => ({ ...preset, rules: [...rules] })) };
  },
});
