import * as z from "zod";
import { networkRulesSchema } from "../../network/policy/rules.ts";
import { shortLine } from "../../operations/command-view.ts";
import { executionMode, isolation } from "../../operations/fields.ts";
import { publishedInWords, publishedViewOf } from "../port/port-view.ts";
import {
  isActive,
  lastCommandSchema,
  rootLossSchema,
  type WorkspaceRecord,
  workspaceRecordSchema,
  workspaceSeedSchema,
  workspaceStates,
} from "../record/record.ts";
import { secretRecordSchema, secretSourceKinds } from "../record/secret.ts";
import { serviceCounts } from "../record/service.ts";

/** Fields that operations on workspaces share. */

/** As a user gives it. An operation gets the whole id */
export const workspaceId = z.string().min(1).max(120).describe("Its id, a beginning of that, or its name");

export const workspaceFilePath = z.string().min(1).describe("Path below /workspace, absolute or relative");

export const labels = workspaceRecordSchema.shape.labels;

const state = z.enum(workspaceStates);
const stateReason = z.string().nullable().describe("Why it is in a state that no call has led to");

const serviceCountFields = { serviceCount: z.number(), runningServiceCount: z.number() };

const secretView = secretRecordSchema.pick({ name: true, hosts: true }).extend({
  sourceKind: z.enum(secretSourceKinds),
  hosts: secretRecordSchema.shape.hosts.describe("Hosts that it is for; empty: the guest itself has it"),
  available: z.boolean().describe("Whether its value is known: a literal one is gone once the workspace has stopped"),
});

/** A workspace as `create`, `status`, `reset` and the like give it. */
export const workspaceView = z.object({
  workspaceId: z.string(),
  name: z.string().nullable(),
  labels,
  environment: z.string(),
  state,
  stateReason,
  workspacePath: z.string(),
  createdAt: z.string(),
  lastActivityAt: z.string(),
  expiresAt: z.string(),
  networkPolicy: networkRulesSchema.shape.mode,
  networkRules: networkRulesSchema.omit({ mode: true }),
  publishedPorts: workspaceRecordSchema.shape.publishedPorts,
  hostCertificates: workspaceRecordSchema.shape.hostCertificates.describe(
    "Certificate authorities of the host that its guest trusts; null: none were asked for",
  ),
  executionMode,
  isolation,
  vcpuCount: z.number(),
  memMib: z.number(),
  workspaceSeed: workspaceSeedSchema,
  secrets: z.array(secretView).describe("Without their values"),
  commandCount: z.number(),
  lastCommand: lastCommandSchema.nullable(),
  resetCount: z.number(),
  lastResetAt: z.string().nullable(),
  rootLoss: rootLossSchema
    .nullable()
    .describe("When and why everything outside /workspace was lost since the last reset, if it was"),
  ...serviceCountFields,
});
export type WorkspaceView = z.output<typeof workspaceView>;

export function viewOf(record: WorkspaceRecord): WorkspaceView {
  const { environment, seed, network, services, secrets, ...rest } = record;
  const { mode, ...networkRules } = network;
  return {
    ...rest,
    networkPolicy: mode,
    networkRules,
    environment: environment.name,
    workspacePath: seed.destination,
    executionMode: "guest",
    workspaceSeed: seed,
    secrets: secrets.map(({ name, source, hosts, available }) => ({
      name,
      sourceKind: source.kind,
      hosts,
      available: available && (source.kind !== "literal" || isActive(record)),
    })),
    ...serviceCounts(services),
  };
}

/** Shortens the last command, which a model only needs to recognise. */
export function shortenWorkspace<V extends WorkspaceView>(view: V): V {
  const { lastCommand } = view;
  return lastCommand ? { ...view, lastCommand: { ...lastCommand, command: shortLine(lastCommand.command) } } : view;
}

const { environment, createdAt, lastActivityAt, expiresAt } = workspaceView.shape;

/**
 * A workspace as a list shows it. If its record cannot be read, only the id and the reason are
 * known.
 */
export const workspaceRow = workspaceView
  .pick({
    workspaceId: true,
    name: true,
    labels: true,
    environment: true,
    state: true,
    stateReason: true,
    createdAt: true,
    lastActivityAt: true,
    expiresAt: true,
    commandCount: true,
    serviceCount: true,
    runningServiceCount: true,
  })
  .extend({
    environment: environment.nullable(),
    state: z.enum([...workspaceStates, "broken"]),
    createdAt: createdAt.nullable(),
    lastActivityAt: lastActivityAt.nullable(),
    expiresAt: expiresAt.nullable(),
  });

/** A workspace in full, line by line. */
export function renderWorkspace(view: WorkspaceView): string {
  const { lastCommand, isolation: separation, workspaceSeed: seed, rootLoss } = view;
  const labels = Object.entries(view.labels).map(([key, value]) => `${key}=${value}`);
  const lines = [
    `Workspace ID: ${view.workspaceId}`,
    ...(view.name === null ? [] : [`Name: ${view.name}`]),
    ...(labels.length === 0 ? [] : [`Labels: ${labels.join(", ")}`]),
    `Environment: ${view.environment}`,
    `State: ${view.state}${view.stateReason === null ? "" : ` (${view.stateReason})`}`,
    `Workspace: ${view.workspacePath}`,
    `Workspace seed: ${seed.mode}${originOf(seed)}, ${seed.entryCount} entries, ${seed.bytesWritten} bytes`,
    `Network policy: ${policyInWords(view)}`,
    ...(view.hostCertificates ?? []).map(({ subject }) => `Trusts: ${subject}`),
    ...view.publishedPorts.map((port) => `Published: ${publishedInWords(publishedViewOf(port))}`),
    ...view.secrets.map((secret) => `Secret: ${secretInWords(secret)}`),
    `Execution mode: ${view.executionMode}`,
    `Isolation: ${separation ? `${separation.vmm}, ${separation.accelerator}` : "none yet"}`,
    `Resources: ${view.vcpuCount} vCPU / ${view.memMib} MiB`,
    `Created: ${view.createdAt}`,
    `Last activity: ${view.lastActivityAt}`,
    `Expires: ${view.expiresAt}`,
    `Command count: ${view.commandCount}`,
    ...(lastCommand
      ? [`Last command: ${lastCommand.command.join(" ")} (exit code ${lastCommand.exitCode ?? "unknown"})`]
      : []),
    `Reset count: ${view.resetCount}`,
    ...(rootLoss ? [`Lost: everything outside ${view.workspacePath}, at ${rootLoss.at}: ${rootLoss.reason}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function secretInWords({ name, sourceKind, available }: z.output<typeof secretView>): string {
  return `${name} (${sourceKind}${available ? "" : ", not available"})`;
}

/** A value in a command line is seen by every process of the host. */
export function warningAboutLiterals(secrets: WorkspaceView["secrets"]): readonly string[] {
  const names = secrets.flatMap(({ name, sourceKind }) => (sourceKind === "literal" ? name : []));
  if (names.length === 0) return [];
  return [
    `[warning] lists of processes show values on a command line (${names.join(", ")}): use --secret-file instead`,
  ];
}

/** The network policy with the flags that make its rules. */
export function policyInWords({
  networkPolicy,
  networkRules,
}: Pick<WorkspaceView, "networkPolicy" | "networkRules">): string {
  const { presets, allowHosts, denyHosts, allowPrivate } = networkRules;
  const flags = [
    ...presets.map((name) => `--allow ${name}`),
    ...allowHosts.map((rule) => `--allow-host ${rule}`),
    ...denyHosts.map((rule) => `--deny-host ${rule}`),
    ...allowPrivate.map((rule) => `--allow-private ${rule}`),
  ];
  return flags.length === 0 ? networkPolicy : `${networkPolicy} (${flags.join(" ")})`;
}

function originOf({ originKind, originRef, seedPath }: WorkspaceView["workspaceSeed"]): string {
  if (originKind === "project_path") return ` from project ${originRef}`;
  if (originKind === "repo_url") return ` from clean clone ${originRef}`;
  return seedPath === null ? "" : ` from ${seedPath}`;
}
