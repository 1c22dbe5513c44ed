import * as z from "zod";
import { commandStateSchema } from "../../guest/messages.ts";
import { networkUseSchema } from "../../network/use.ts";
import { executionMode } from "../../operations/fields.ts";
import { networkLines } from "../../operations/network-view.ts";
import { publishedInWords, publishedView, publishedViewOf } from "../port/port-view.ts";
import { probingSchema, type ServiceRecord, serviceRecordSchema, stopReasons } from "../record/service.ts";
import type { LogLine } from "./log.ts";
import type { SeenService } from "./verbs.ts";

/** Lines of its log that explain a service that does not run */
const explainingLines = 20;

/** What it waited for, and how that went. Only one of the fields after `type` is there. */
const readinessView = z
  .object({
    type: z.enum(["file", "tcp", "http", "command", "log"]),
    path: z.string().optional(),
    address: z.string().optional(),
    url: z.string().optional(),
    command: z.string().optional(),
    pattern: z.string().optional(),
    ...probingSchema.partial().shape,
  })
  .nullable();

/** A service as a list shows it. */
export const serviceRow = serviceRecordSchema
  .omit({ stopReason: true, readiness: true, probing: true, publishedPorts: true })
  .extend({
    stopReason: z
      .string()
      .nullable()
      .describe(`Why it does not run: ${stopReasons.join(", ")}`),
    readiness: readinessView,
    publishedPorts: z.array(publishedView),
  });

/** A service as `start`, `status` and `stop` give it. */
export const serviceView = serviceRow.extend({
  workspaceId: z.string(),
  listening: commandStateSchema.shape.listening.describe("Where its processes take connections"),
  processCount: commandStateSchema.shape.processCount.nullable(),
  memoryBytes: commandStateSchema.shape.memoryBytes,
  cpuMs: commandStateSchema.shape.cpuMs.nullable().describe("Processor time since its start"),
  logTail: z.array(z.string()).describe(`Its last ${explainingLines} lines, if it does not run`),
  network: networkUseSchema,
  executionMode,
});
export type ServiceView = z.output<typeof serviceView>;
type ServiceRow = z.output<typeof serviceRow>;

export function rowOf({ readiness, probing, publishedPorts, ...service }: ServiceRecord): ServiceRow {
  return {
    ...service,
    readiness: readiness && { ...readiness, ...probing },
    publishedPorts: publishedPorts.map(publishedViewOf),
  };
}

export function viewOf(
  workspaceId: string,
  { service, live, network }: SeenService,
  lines: readonly LogLine[],
): ServiceView {
  return {
    ...rowOf(service),
    workspaceId,
    listening: live?.listening ?? [],
    processCount: live?.processCount ?? null,
    memoryBytes: live?.memoryBytes ?? null,
    cpuMs: live?.cpuMs ?? null,
    logTail: service.state === "running" ? [] : lines.slice(-explainingLines).map(({ text }) => shortText(text)),
    network,
    executionMode: "guest",
  };
}

/** Longest line that explains something, in characters */
const maxExplainingLength = 500;

/** The beginning of a long line. */
export function shortText(text: string, maxLength = maxExplainingLength): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}…`;
}

/** A service line by line. */
export function renderService(view: ServiceView): string {
  const lines = [
    `Workspace: ${view.workspaceId}`,
    `Service: ${view.serviceName}`,
    `State: ${stateInWords(view)}`,
    `Command: ${view.command.join(" ")}`,
    `Cwd: ${view.cwd}`,
    `Readiness: ${readinessInWords(view.readiness)}`,
    ...(view.readiness?.lastFailure ? [`Not ready: ${failureInWords(view.readiness)}`] : []),
    `Started: ${view.startedAt}`,
    ...(view.readyAt === null ? [] : [`Ready: ${view.readyAt}`]),
    ...(view.parentExitedAt === null ? [] : [`First process ended: ${view.parentExitedAt}`]),
    ...(view.endedAt === null ? [] : [`Ended: ${view.endedAt}`]),
    ...view.listening.map(
      ({ address, port, pid, command }) => `Listening: ${address} port ${port} (${command}, ${pid})`,
    ),
    ...view.publishedPorts.map((port) => `Published: ${publishedInWords(port)}`),
    ...usageLines(view),
    ...networkLines(view.network).map((line) => `Network: ${line}`),
    `Execution mode: ${view.executionMode}`,
    ...(view.logTail.length === 0 ? [] : ["Log:", ...view.logTail.map((line) => `  ${line}`)]),
  ];
  return `${lines.join("\n")}\n`;
}

function usageLines({ processCount, memoryBytes, cpuMs }: ServiceView): string[] {
  if (processCount === null) return [];
  const memory = memoryBytes === null ? "" : `, ${Math.round(memoryBytes / 1024 ** 2)} MiB`;
  return [`Uses: ${processCount} processes${memory}, ${((cpuMs ?? 0) / 1000).toFixed(1)} s of processor time`];
}

export function stateInWords({
  state,
  stopReason,
  exitCode,
  startError,
}: Pick<ServiceRow, "state" | "stopReason" | "exitCode" | "startError">): string {
  const facts = [
    ...(stopReason === null || stopReason === state ? [] : [stopReason]),
    ...(exitCode === null ? [] : [`exit code ${exitCode}`]),
    ...(startError === null ? [] : [startError]),
  ];
  return facts.length === 0 ? state : `${state} (${facts.join(", ")})`;
}

export function readinessInWords(readiness: ServiceRow["readiness"]): string {
  if (!readiness) return "none";
  const { type, path, address, url, command, pattern } = readiness;
  return `${type} ${path ?? address ?? url ?? command ?? pattern}`;
}

function failureInWords({ lastFailure, tries = 0 }: NonNullable<ServiceRow["readiness"]>): string {
  return `${lastFailure}, ${tries} ${tries === 1 ? "try" : "tries"}`;
}

/** A service in one line, for scripts. */
export function serviceFacts(view: ServiceView): string {
  return [
    `workspace_id=${view.workspaceId} service=${view.serviceName} state=${view.state} cwd=${view.cwd}`,
    ...(view.readiness ? [`ready_type=${view.readiness.type}`] : []),
    ...(view.stopReason === null ? [] : [`stop_reason=${view.stopReason}`]),
    ...(view.exitCode === null ? [] : [`exit_code=${view.exitCode}`]),
    ...view.publishedPorts.map((port) => `published=${publishedInWords(port)}`),
    `execution_mode=${view.executionMode}`,
  ].join(" ");
}
