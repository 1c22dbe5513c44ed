import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { fitting } from "../../core/shorten.ts";
import { environmentChoice, environmentName, memMib, vcpuCount } from "../../operations/fields.ts";
import { refuseHostCompat, refuseNetworkPolicy } from "../../operations/network.ts";
import { defineOperation } from "../../operations/operation.ts";
import { currentRecord } from "../control/access.ts";
import type { StoredWorkspace } from "../record/store.ts";
import { allWorkspaces, deleteWorkspace, startWorkspace, stopWorkspace, updateWorkspace } from "./caller.ts";
import { createWorkspace } from "./create.ts";
import {
  readableWorkspace,
  renderWorkspace,
  skippedFiles,
  viewOf,
  workspaceId,
  workspaceRow,
  workspaceView,
} from "./workspace-view.ts";

const maxTtlSeconds = 30 * 86_400;
const defaultTtlSeconds = 86_400;

const defaultEnvironment = "debian:12";

const labels = z.record(z.string(), z.string());

export const workspaceCreate = defineOperation({
  name: "workspace.create",
  summary: "Create a workspace: a virtual machine of its own, with your files in /workspace",
  effect: "write",
  input: z.object({
    environment: environmentName.default(defaultEnvironment),
    vcpuCount,
    memMib,
    ttlSeconds: z
      .number()
      .positive()
      .max(maxTtlSeconds)
      .default(defaultTtlSeconds)
      .describe("Time after which it is stopped and removed, with its files"),
    networkPolicy: z
      .enum(["off", "egress", "egress+published-ports"])
      .default("off")
      .describe("What of the network the guest can reach"),
    allowHostCompat: z
      .boolean()
      .default(false)
      .describe("Run on this host, WITHOUT isolation, when no virtual machine can be had"),
    seedPath: z
      .string()
      .min(1)
      .optional()
      .describe("Directory, .tar, .tar.gz or .tgz on this host whose content the workspace begins with"),
    name: z.string().optional().describe("Name for people"),
    labels: labels.optional().describe("Label for finding it again, as KEY=VALUE; repeatable"),
  }),
  output: workspaceView.extend({
    skippedFiles: skippedFiles.describe("What of the seed did not come along: devices, sockets, what cannot be read"),
    skippedCount: z.number(),
  }),
  cli: {
    positionals: ["environment"],
    examples: [
      "workspace create debian:12 --seed-path ./repo --id-only",
      "workspace create debian:12 --seed-path ./repo --name fix-parser --label issue=123",
      "workspace create debian:12-build --vcpu-count 2 --mem-mib 4096 --ttl-seconds 3600 --json",
    ],
    only: { flag: "id-only", description: "Print only the identifier", text: (output) => `${output.workspaceId}\n` },
    render: renderWorkspace,
    summarize: ({ skippedFiles: skipped, skippedCount }) => [
      ...skipped.map(({ path, reason }) => `[warning] not in the workspace: ${path}: ${reason}`),
      ...(skippedCount > skipped.length
        ? [`[warning] … and ${skippedCount - skipped.length} more files are not in the workspace`]
        : []),
    ],
  },
  mcp: {
    description:
      "Create a workspace: a Linux virtual machine with root, no network and your files in /workspace. It is there in about a second; only the first use of an environment takes longer.",
    input: {
      environment: environmentChoice.default(defaultEnvironment),
      seedPath: z
        .string()
        .min(1)
        .optional()
        .describe("Directory, .tar, .tar.gz or .tgz of the user's machine to begin with instead"),
      name: z.string().optional().describe("To be recognised by"),
      labels: labels.optional().describe('To be found again by, such as {"issue":"123"}'),
    },
    readable: (output, maxChars) => ({ ...output, skippedFiles: fitting(output.skippedFiles, maxChars - 1_500) }),
  },
  async handle({ engine, signal, onProgress, project }, input) {
    if (input.networkPolicy !== "off") refuseNetworkPolicy(input.networkPolicy);
    if (input.allowHostCompat) refuseHostCompat();
    const { record, skipped } = await createWorkspace(
      engine,
      {
        environment: input.environment,
        shape: { vcpuCount: input.vcpuCount, memMib: input.memMib },
        ttlMs: input.ttlSeconds * 1000,
        name: input.name ?? null,
        labels: input.labels ?? {},
        seed: input.seedPath ?? project,
      },
      { signal, onProgress },
    );
    return { ...viewOf(record), skippedFiles: skipped.slice(0, maxSkippedShown), skippedCount: skipped.length };
  },
});

const maxSkippedShown = 20;

export const workspaceList = defineOperation({
  name: "workspace.list",
  summary: "List workspaces, the most recently active first",
  effect: "read",
  input: z.object({}),
  output: z.object({ count: z.number(), workspaces: z.array(workspaceRow) }),
  cli: {
    examples: ["workspace list", "workspace list --json"],
    render: ({ workspaces }) =>
      workspaces.length === 0 ? "No workspaces.\n" : `${[rowHeader, ...workspaces.map(renderRow)].join("\n")}\n`,
    summarize: ({ count, workspaces }) =>
      count > workspaces.length ? [`… and ${count - workspaces.length} more, used less recently`] : [],
  },
  mcp: {
    description: "List workspaces, those of earlier sessions included, the most recently used first.",
    readable: (output, maxChars) => ({ ...output, workspaces: fitting(output.workspaces, maxChars) }),
  },
  async handle({ engine, signal }) {
    const rows = (await allWorkspaces(engine, signal)).map(rowOf);
    // A broken one has no times; it comes last.
    const workspaces = rows.toSorted((a, b) => (b.lastActivityAt ?? "").localeCompare(a.lastActivityAt ?? ""));
    return { count: workspaces.length, workspaces };
  },
});

export const workspaceStatusOperation = defineOperation({
  name: "workspace.status",
  summary: "Show everything about one workspace",
  effect: "read",
  input: z.object({ workspaceId }),
  output: workspaceView,
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace status 0a1b2c3d4e5f", "workspace status 0a1b2c3d4e5f --json"],
    render: renderWorkspace,
  },
  mcp: {
    description: "Show everything about a workspace: state, origin of its files, last command, expiry.",
    readable: readableWorkspace,
  },
  async handle({ engine }, input) {
    return viewOf(await currentRecord(engine, input.workspaceId));
  },
});

export const workspaceUpdate = defineOperation({
  name: "workspace.update",
  summary: "Change a workspace's name and labels",
  effect: "write",
  input: z.object({
    workspaceId,
    name: z.string().optional().describe("New name"),
    clearName: z.boolean().default(false).describe("Take its name away"),
    labels: labels.optional().describe("Label to set, as KEY=VALUE; repeatable"),
    clearLabels: z.array(z.string()).optional().describe("Key of a label to take away; repeatable"),
  }),
  output: workspaceView,
  cli: {
    positionals: ["workspaceId"],
    examples: [
      "workspace update 0a1b2c3d4e5f --name fix-parser --label owner=me",
      "workspace update 0a1b2c3d4e5f --clear-name --clear-label owner",
    ],
    render: renderWorkspace,
  },
  mcp: {
    description: "Change a workspace's name and labels; nothing else about it changes.",
    readable: readableWorkspace,
    isIdempotent: true,
    input: {
      labels: labels.optional().describe("Labels to set"),
      clearLabels: z.array(z.string()).optional().describe("Labels to take away"),
    },
  },
  async handle({ engine: context, signal }, input) {
    const { workspaceId: id, name, clearName, labels: setLabels = {}, clearLabels = [] } = input;
    if (name !== undefined && clearName) {
      throw new PyroError("invalid_argument", "cannot both set and clear the name of a workspace");
    }
    const named = clearName ? { name: null } : name === undefined ? {} : { name };
    const update = { ...named, setLabels, clearLabels };
    return viewOf(await updateWorkspace({ context, workspaceId: id, signal }, update));
  },
});

export const workspaceStop = defineOperation({
  name: "workspace.stop",
  summary: "Switch a workspace's machine off; its files, snapshots and history stay",
  effect: "write",
  input: z.object({ workspaceId }),
  output: workspaceView,
  cli: { positionals: ["workspaceId"], examples: ["workspace stop 0a1b2c3d4e5f"], render: renderWorkspace },
  mcp: { isIdempotent: true, readable: readableWorkspace },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    return viewOf(await stopWorkspace({ context, workspaceId: id, signal }));
  },
});

export const workspaceStart = defineOperation({
  name: "workspace.start",
  summary: "Start a stopped or failed workspace where it was, without a reset",
  effect: "write",
  input: z.object({ workspaceId }),
  output: workspaceView,
  cli: { positionals: ["workspaceId"], examples: ["workspace start 0a1b2c3d4e5f"], render: renderWorkspace },
  mcp: { isIdempotent: true, readable: readableWorkspace },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    return viewOf(await startWorkspace({ context, workspaceId: id, signal }));
  },
});

export const workspaceDelete = defineOperation({
  name: "workspace.delete",
  summary: "End a workspace and remove everything of it",
  effect: "destroy",
  input: z.object({ workspaceId }),
  output: z.object({ workspaceId: z.string(), deleted: z.boolean() }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace delete 0a1b2c3d4e5f"],
    render: (output) => `Deleted workspace ${output.workspaceId}.\n`,
  },
  mcp: {
    description:
      "End a workspace and remove it with its files, snapshots and history. Get what is needed out of it first.",
    isIdempotent: true,
  },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    await deleteWorkspace({ context, workspaceId: id, signal });
    return { workspaceId: id, deleted: true };
  },
});

type Row = z.output<typeof workspaceRow>;

function rowOf(stored: StoredWorkspace): Row {
  const services = { serviceCount: 0, runningServiceCount: 0 };
  if (stored.status === "broken") {
    return {
      ...{ workspaceId: stored.place.workspaceId, name: null, labels: {}, environment: null },
      ...{ state: "broken", stateReason: stored.reason, createdAt: null, lastActivityAt: null, expiresAt: null },
      ...{ commandCount: 0, ...services },
    };
  }
  const { environment, ...record } = stored.record;
  return { ...record, ...services, environment: environment.name };
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
