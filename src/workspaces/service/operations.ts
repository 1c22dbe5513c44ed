import { posix } from "node:path";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { fitting } from "../../core/shorten.ts";
import { workspacePath } from "../../core/workspace-path.ts";
import { commandSpec } from "../../machines/guest-command.ts";
import { guestCommand } from "../../operations/command-fields.ts";
import {
  commandCwd,
  commandEnv,
  commandText,
  limitSeconds,
  modelCommandEnv,
  shellText,
} from "../../operations/fields.ts";
import { defineOperation, type OperationContext } from "../../operations/operation.ts";
import { currentRecord, type WorkspaceCall } from "../control/access.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { portNumber } from "../record/port.ts";
import { serviceCounts, serviceRecordSchema } from "../record/service.ts";
import { modelSecretEnv, secretEnv } from "../secret/fields.ts";
import { followService, serviceLog, serviceState, startService, stopService } from "./caller.ts";
import type { LogLine } from "./log.ts";
import { readinessOf } from "./rules.ts";
import {
  readinessInWords,
  renderService,
  rowOf,
  type ServiceView,
  serviceFacts,
  serviceRow,
  serviceView,
  shortText,
  stateInWords,
  viewOf,
} from "./service-view.ts";
import type { SeenService } from "./verbs.ts";

const serviceName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "it must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit",
  )
  .describe("Name of the service");

/** Shells of most programs report a failure so */
const failureExitCode = 1;

const publishedPortField = z.object({ guestPort: portNumber, hostPort: portNumber.optional() });

export const serviceStart = defineOperation({
  name: "workspace.service.start",
  summary: "Start a long-running program in a workspace, and wait until it is ready",
  effect: "write",
  input: z.object({
    workspaceId,
    serviceName,
    command: guestCommand,
    cwd: commandCwd,
    env: commandEnv,
    secretEnv,
    readyFile: z.string().min(1).optional().describe("It is ready when this file of /workspace is there"),
    readyTcp: z.string().min(1).optional().describe("It is ready when this port takes connections, such as 8080"),
    readyHttp: z.string().min(1).optional().describe("It is ready when this URL answers with 2xx, 3xx or 400 to 403"),
    readyCommand: commandText.min(1).optional().describe("It is ready when this text for the shell exits with 0"),
    readyLog: z.string().min(1).optional().describe("It is ready when this regular expression is in a line of its log"),
    readyTimeoutSeconds: limitSeconds.default(30).describe("How long to wait for that; then it is ended"),
    readyIntervalMs: z.number().int().min(10).max(60_000).default(500).describe("Pause between two tries"),
    publish: z
      .array(z.string())
      .default([])
      .describe("Port that programs of this host reach: GUEST, or HOST:GUEST for a port of your choice; repeatable"),
    publishedPorts: z.array(publishedPortField).default([]).describe("The same as objects"),
  }),
  output: serviceView,
  cli: {
    positionals: ["workspaceId", "serviceName", "command"],
    without: ["publishedPorts"],
    bareKeys: ["secretEnv"],
    examples: [
      "workspace service start 0a1b2c3d4e5f web --ready-http http://127.0.0.1:8000/ -- python3 -m http.server 8000",
      "workspace service start 0a1b2c3d4e5f db --ready-log 'ready to accept' --ready-timeout-seconds 120 -- sh start.sh",
    ],
    text: (output) => (output.state === "running" ? "" : renderService(output)),
    notes: (output) => [`[workspace-service-start] ${serviceFacts(output)}`],
    exitCode: ({ state }) => (state === "running" ? 0 : failureExitCode),
  },
  mcp: {
    name: "service_start",
    description:
      "Start a server or another program that keeps running, and wait until it is ready: by a port (ready_tcp), a URL (ready_http), a file, a command or a line of its log. If it does not get ready the result says why, with its last lines, and nothing of it is left running.",
    input: {
      command: shellText,
      env: modelCommandEnv,
      secretEnv: modelSecretEnv,
      publishedPorts: z
        .array(publishedPortField)
        .default([])
        .describe("Ports that programs of the user's host reach on 127.0.0.1"),
    },
    text: serviceText,
  },
  async handle(context, { workspaceId: id, serviceName: name, command, cwd, publish, ...input }) {
    const wanted = callOf(context, id);
    const seen = await startService(wanted, {
      serviceName: name,
      ...commandSpec(command),
      cwd: posix.resolve(workspacePath, cwd),
      env: input.env,
      secretEnv: input.secretEnv,
      readiness: readinessOf(input),
      readyTimeoutMs: input.readyTimeoutSeconds * 1000,
      readyIntervalMs: input.readyIntervalMs,
      publish: [...publish.map(parsePublished), ...input.publishedPorts],
    });
    return shown(wanted, seen);
  },
});

export const serviceList = defineOperation({
  name: "workspace.service.list",
  summary: "List the services of a workspace since its last reset",
  effect: "read",
  input: z.object({ workspaceId }),
  output: z.object({
    workspaceId: z.string(),
    count: z.number(),
    runningCount: z.number(),
    services: z.array(serviceRow),
  }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace service list 0a1b2c3d4e5f"],
    text: ({ count, runningCount, services }) =>
      [`Services: ${count} total, ${runningCount} running\n`, ...services.map(serviceLine)].join(""),
  },
  mcp: {
    name: "service_list",
    shortened: (output, maxChars) => ({ ...output, services: fitting(output.services, maxChars) }),
  },
  async handle({ engine }, { workspaceId: id }) {
    const { services } = await currentRecord(engine, id);
    const { serviceCount: count, runningServiceCount: runningCount } = serviceCounts(services);
    return { workspaceId: id, count, runningCount, services: services.map(rowOf) };
  },
});

export const serviceStatus = defineOperation({
  name: "workspace.service.status",
  summary: "Show a service: its state, where it listens, what it uses, and why it ended",
  effect: "read",
  input: z.object({ workspaceId, serviceName }),
  output: serviceView,
  cli: {
    positionals: ["workspaceId", "serviceName"],
    examples: ["workspace service status 0a1b2c3d4e5f web"],
    text: renderService,
  },
  mcp: { name: "service_status", text: serviceText },
  async handle(context, { workspaceId: id, serviceName: name }) {
    const wanted = callOf(context, id);
    return shown(wanted, await serviceState(wanted, name));
  },
});

export const serviceStop = defineOperation({
  name: "workspace.service.stop",
  summary: "End a service: SIGTERM to all of its processes and, after a grace, SIGKILL",
  effect: "destroy",
  input: z.object({
    workspaceId,
    serviceName,
    graceSeconds: z.number().min(0).max(3600).default(10).describe("How long it may take to end by itself"),
  }),
  output: serviceView,
  cli: {
    positionals: ["workspaceId", "serviceName"],
    examples: ["workspace service stop 0a1b2c3d4e5f web --grace-seconds 30"],
    notes: (output) => [`[workspace-service-stop] ${serviceFacts(output)}`],
  },
  mcp: { name: "service_stop", isIdempotent: true, text: serviceText },
  async handle(context, { workspaceId: id, serviceName: name, graceSeconds }) {
    const wanted = callOf(context, id);
    return shown(wanted, await stopService(wanted, { serviceName: name, graceMs: graceSeconds * 1000 }));
  },
});

/** Longest line that a model is shown, in characters */
const maxShownLine = 2_000;

const logLine = z.object({ at: z.string(), stream: z.enum(["stdout", "stderr"]), text: z.string() });

const logsOutput = serviceRecordSchema.pick({ serviceName: true, generation: true, state: true }).extend({
  workspaceId: z.string(),
  tailLines: z.number().nullable().describe("How many lines were asked for; null: all"),
  lines: z.array(logLine).describe("In the order in which they came"),
  truncated: z.boolean().describe("Older lines were left out, or are not kept"),
});
type Logs = z.output<typeof logsOutput>;

export const serviceLogs = defineOperation({
  name: "workspace.service.logs",
  summary: "Show what a service has printed since its last start, also after its end",
  effect: "read",
  input: z.object({
    workspaceId,
    serviceName,
    tailLines: z.number().int().min(1).max(1_000_000).default(200).describe("How many of its last lines to show"),
    all: z.boolean().default(false).describe("All lines that are kept"),
    stream: z.enum(["stdout", "stderr"]).optional().describe("Only this stream"),
    follow: z.boolean().default(false).describe("Go on with what it prints, until it ends"),
  }),
  output: logsOutput,
  cli: {
    positionals: ["workspaceId", "serviceName"],
    examples: [
      "workspace service logs 0a1b2c3d4e5f web --tail-lines 50",
      "workspace service logs 0a1b2c3d4e5f web --follow",
    ],
    raw: ({ lines }) => lines.map(renderLine).join(""),
    notes: ({ truncated }) => (truncated ? ["[warning] there are older lines than these"] : []),
  },
  mcp: {
    name: "service_logs",
    shortened: (output, maxChars) => {
      const cut = output.lines.map((line) => ({ ...line, text: shortText(line.text, maxShownLine) }));
      const lines = fitting(cut.toReversed(), maxChars - 300).toReversed();
      return { ...output, lines, truncated: output.truncated || lines.length < output.lines.length };
    },
    text: logsText,
  },
  async handle(context, { workspaceId: id, serviceName: name, tailLines, all, stream, follow }) {
    const wanted = callOf(context, id);
    const isWanted = (line: LogLine) => stream === undefined || line.stream === stream;
    const log = await serviceLog(wanted, name);
    const ofStreams = log.lines.filter(isWanted);
    const lines = all ? ofStreams : ofStreams.slice(-tailLines);
    const { generation, state } = log.service;
    const about = { workspaceId: id, serviceName: name, generation, state, tailLines: all ? null : tailLines };
    const truncated = log.isCut || lines.length < ofStreams.length;
    if (!follow) return { ...about, lines: lines.map(({ isOpen: _, ...line }) => line), truncated };
    const { liveStreams } = context;
    if (!liveStreams) {
      throw new PyroError("unsupported", "cannot follow a log: there is nowhere to show it as it comes", {
        hint: "Follow it on the command line, without --json.",
      });
    }
    const show = (line: LogLine) => liveStreams.onStdout(Buffer.from(renderLine(line)));
    for (const line of lines) if (!line.isOpen) await show(line);
    for await (const line of followService(wanted, log)) if (isWanted(line)) await show(line);
    return { ...about, lines: [], truncated: false };
  },
});

function callOf({ engine: context, signal }: OperationContext, id: string): WorkspaceCall {
  return { context, workspaceId: id, signal };
}

async function shown(wanted: WorkspaceCall, seen: SeenService): Promise<ServiceView> {
  const { serviceName: name, state } = seen.service;
  const { lines } = state === "running" ? { lines: [] } : await serviceLog(wanted, name);
  return viewOf(wanted.workspaceId, seen, lines);
}

/** Reads `GUEST`, or `HOST:GUEST` as container engines have it. */
function parsePublished(text: string): z.output<typeof publishedPortField> {
  const [, host, guest = ""] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? [];
  const parsed = publishedPortField.safeParse({
    guestPort: Number(guest),
    ...(host === undefined ? {} : { hostPort: Number(host) }),
  });
  if (parsed.success) return parsed.data;
  throw new PyroError("invalid_argument", `cannot publish '${text}': it is no port`, {
    hint: "Give the guest's port, such as 8080, or one of this host before it, such as 18080:8080.",
  });
}

function serviceLine(service: z.output<typeof serviceRow>): string {
  const readiness = service.readiness ? ` readiness=${service.readiness.type}` : "";
  return `- ${service.serviceName} [${stateInWords(service)}] cwd=${service.cwd}${readiness}\n`;
}

function renderLine({ at, stream, text }: Omit<LogLine, "isOpen">): string {
  return `${at} ${stream === "stderr" ? "stderr " : ""}${text}\n`;
}

function serviceText(view: ServiceView): string {
  const waited =
    view.readiness && view.readyAt === null && view.state !== "running"
      ? `It did not get ready (${readinessInWords(view.readiness)}).\n`
      : "";
  return `${waited}${renderService(view)}`;
}

function logsText({ lines, truncated, state }: Logs): string {
  const before = truncated ? "[… older lines are not shown …]\n" : "";
  const text = lines.map(({ stream, text: line }) => `${stream === "stderr" ? "[stderr] " : ""}${line}\n`).join("");
  const nothing = truncated ? "" : "It has printed nothing.\n";
  return `${before}${text === "" ? nothing : text}[${state}]\n`;
}
