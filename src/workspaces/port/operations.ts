import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { defineOperation } from "../../operations/operation.ts";
import { currentRecord } from "../control/access.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { type PublishedPort, portNumber } from "../record/port.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { closePort, publishedPorts, publishPort } from "./caller.ts";
import { publishedInWords, publishedView, publishedViewOf } from "./port-view.ts";
import { portStateSchema } from "./verbs.ts";

const shownPort = publishedView.extend({
  url: z.string().describe("For a browser, if it serves HTTP: a name of its own, because cookies ignore ports"),
});

const publishedState = portStateSchema.extend(shownPort.shape);

export const workspacePortPublish = defineOperation({
  name: "workspace.port.publish",
  summary: "Let programs of this host connect to a port of a workspace, on 127.0.0.1",
  effect: "write",
  input: z.object({
    workspaceId,
    port: z.string().describe("Port of the guest, and :PORT of this host (default: the same, or a free one)"),
  }),
  output: shownPort.extend({ workspaceId: z.string() }),
  cli: {
    positionals: ["workspaceId", "port"],
    examples: ["workspace port publish 0a1b2c3d4e5f 3000", "workspace port publish 0a1b2c3d4e5f 3000:8080 --json"],
    text: (port) => `Published: ${publishedInWords(port)} ${port.url}\n`,
  },
  async handle({ engine: context, signal }, { workspaceId: id, port }) {
    const published = await publishPort({ context, workspaceId: id, signal }, parsePorts(port));
    return { workspaceId: id, ...shown(published, await currentRecord(context, id)) };
  },
});

export const workspacePortList = defineOperation({
  name: "workspace.port.list",
  summary: "List a workspace's published ports",
  effect: "read",
  input: z.object({ workspaceId }),
  output: z.object({ workspaceId: z.string(), ports: z.array(publishedState) }),
  cli: {
    positionals: ["workspaceId"],
    examples: ["workspace port list 0a1b2c3d4e5f"],
    text: ({ ports }) => (ports.length === 0 ? "No published ports.\n" : ports.map(portLine).join("")),
  },
  async handle({ engine: context, signal }, { workspaceId: id }) {
    const record = await currentRecord(context, id);
    const ports = await publishedPorts({ context, workspaceId: id, signal });
    return { workspaceId: id, ports: ports.map((port) => ({ ...port, ...shown(port, record) })) };
  },
});

export const workspacePortClose = defineOperation({
  name: "workspace.port.close",
  summary: "Take a published port back; its connections are reset",
  effect: "write",
  input: z.object({ workspaceId, guestPort: portNumber.describe("Port of the guest") }),
  output: z.object({ workspaceId: z.string(), guestPort: z.number(), closed: z.boolean() }),
  cli: {
    positionals: ["workspaceId", "guestPort"],
    examples: ["workspace port close 0a1b2c3d4e5f 3000"],
    text: ({ guestPort }) => `Closed: ${guestPort}/tcp\n`,
  },
  async handle({ engine: context, signal }, { workspaceId: id, guestPort }) {
    await closePort({ context, workspaceId: id, signal }, guestPort);
    return { workspaceId: id, guestPort, closed: true };
  },
});

function shown(
  port: PublishedPort,
  { name, workspaceId: id }: Pick<WorkspaceRecord, "name" | "workspaceId">,
): z.input<typeof shownPort> {
  const label = (name ?? "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 40);
  const host = [...(label === "" ? [] : [label]), id].join("-");
  return { ...publishedViewOf(port), url: `http://${host}.localhost:${port.hostPort}/` };
}

function portLine(port: z.output<typeof publishedState>): string {
  const { url, connectionCount, openCount, problem, lastRefusal } = port;
  const facts = [
    `${publishedInWords(port)} ${url} connections=${connectionCount} open=${openCount}`,
    ...(problem === null ? [] : [`problem: ${problem}`]),
    ...(lastRefusal === null ? [] : [`last refusal at ${lastRefusal.at}: ${lastRefusal.reason}`]),
  ];
  return `${facts.join("; ")}\n`;
}

/** Reads `GUEST` or `GUEST:HOST`. */
function parsePorts(text: string): { guestPort: number; hostPort?: number } {
  const [, guest = "", host] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const [guestPort, hostPort] = [Number(guest), host === undefined ? undefined : Number(host)];
  const isPort = (port: number) => portNumber.safeParse(port).success;
  if (!isPort(guestPort) || (hostPort !== undefined && !isPort(hostPort))) {
    throw new PyroError("invalid_argument", `cannot publish port '${text}': it is no port`, {
      hint: "Give the guest's port, such as 3000, or both, such as 3000:8080.",
    });
  }
  return hostPort === undefined ? { guestPort } : { guestPort, hostPort };
}
