import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { defineOperation } from "../../operations/operation.ts";
import { serviceCounts } from "../record/service.ts";
import type { StoredWorkspace } from "../record/store.ts";
import { allWorkspaces } from "./caller.ts";
import { viewOf, workspaceRow } from "./workspace-view.ts";

export const workspaceList = defineOperation({
  name: "workspace.list",
  summary: "List workspaces, the most recently active first",
  effect: "read",
  input: z.object({}),
  output: z.object({ count: z.number(), workspaces: z.array(workspaceRow) }),
  cli: {
    examples: ["workspace list", "workspace list --json"],
    text: ({ workspaces }) => renderRows(workspaces, Date.now()),
    notes: ({ count, workspaces }) =>
      count > workspaces.length ? [`… and ${count - workspaces.length} more, used less recently`] : [],
  },
  mcp: {
    description: "List all workspaces, also those of earlier sessions, the last used first.",
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
    ...serviceCounts([]),
  };
}

/** The rows for people, with ages as of now. */
function renderRows(workspaces: readonly Row[], nowMs: number): string {
  if (workspaces.length === 0) return "No workspaces.\n";
  return `${[row(header), ...workspaces.map((one) => renderRow(one, nowMs))].join("\n")}\n`;
}

const header = ["ID", "STATE", "ENVIRONMENT", "COMMANDS", "ACTIVE", "EXPIRES", "NAME"];

function renderRow(workspace: Row, nowMs: number): string {
  const { workspaceId: id, state, environment, commandCount, lastActivityAt, expiresAt, name, labels } = workspace;
  const tags = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return row([
    id,
    state,
    environment ?? "-",
    String(commandCount),
    lastActivityAt === null ? "-" : `${inShort(nowMs - Date.parse(lastActivityAt))} ago`,
    expiresAt === null ? "-" : `in ${inShort(Date.parse(expiresAt) - nowMs)}`,
    [name ?? "-", ...tags].join(" "),
  ]);
}

/** A span of time for people, in its largest unit. */
function inShort(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ] as const;
  const [length, unit] = units.find(([unitSeconds]) => seconds >= 2 * unitSeconds) ?? [1, "s"];
  return `${Math.floor(seconds / length)} ${unit}`;
}

function row(cells: readonly string[]): string {
  const widths = [13, 9, 16, 9, 12, 10, 0];
  return cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join(" ")
    .trimEnd();
}
