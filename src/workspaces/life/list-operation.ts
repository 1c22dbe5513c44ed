import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { defineOperation } from "../../operations/operation.ts";
import type { StoredWorkspace } from "../record/store.ts";
import { allWorkspaces } from "./caller.ts";
import { noServices, viewOf, workspaceRow } from "./workspace-view.ts";

export const workspaceList = defineOperation({
  name: "workspace.list",
  summary: "List workspaces, the most recently active first",
  effect: "read",
  input: z.object({}),
  output: z.object({ count: z.number(), workspaces: z.array(workspaceRow) }),
  cli: {
    examples: ["workspace list", "workspace list --json"],
    text: ({ workspaces }) =>
      workspaces.length === 0 ? "No workspaces.\n" : `${[rowHeader, ...workspaces.map(renderRow)].join("\n")}\n`,
    notes: ({ count, workspaces }) =>
      count > workspaces.length ? [`… and ${count - workspaces.length} more, used less recently`] : [],
  },
  mcp: {
    description: "List workspaces, those of earlier sessions included, the most recently used first.",
    shortened: (output, maxChars) => ({ ...output, workspaces: fitting(output.workspaces, maxChars) }),
  },
  async handle({ engine, signal }) {
    const rows = (await allWorkspaces(engine, signal)).map(rowOf);
    // A broken workspace has no times and comes last.
    const workspaces = rows.toSorted((a, b) => (b.lastActivityAt ?? "").localeCompare(a.lastActivityAt ?? ""));
    return { count: workspaces.length, workspaces };
  },
});

type Row = z.output<typeof workspaceRow>;

function rowOf(stored: StoredWorkspace): Row {
  if (stored.status === "ok") return viewOf(stored.record);
  return {
    workspaceId: stored.place.workspaceId,
    name: null,
    labels: {},
    environment: null,
    state: "broken",
    stateReason: stored.reason,
    createdAt: null,
    lastActivityAt: null,
    expiresAt: null,
    commandCount: 0,
    ...noServices,
  };
}

const rowHeader = row(["ID", "STATE", "ENVIRONMENT", "COMMANDS", "LAST ACTIVITY", "NAME"]);

function renderRow({
  workspaceId: id,
  state,
  environment,
  commandCount,
  lastActivityAt,
  name,
  labels: own,
}: Row): string {
  const tags = Object.entries(own).map(([key, value]) => `${key}=${value}`);
  return row([
    id,
    state,
    environment ?? "-",
    String(commandCount),
    lastActivityAt ?? "-",
    [name ?? "-", ...tags].join(" "),
  ]);
}

function row(cells: readonly string[]): string {
  const widths = [13, 9, 16, 9, 25, 0];
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join(" ")
    .trimEnd();
}
