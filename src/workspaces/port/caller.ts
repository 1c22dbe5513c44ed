import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { askWorkspace, requireRunning, type WorkspaceCall } from "../control/access.ts";
import { call } from "../control/client.ts";
import type { VerbOutput } from "../control/protocol.ts";
import type { PublishedPort } from "../record/port.ts";
import { listStored } from "../record/store.ts";
import { portVerbs } from "./verbs.ts";

export type PortState = VerbOutput<typeof portVerbs.portStates>["ports"][number];

/** Lets programs of this host connect to a port of the guest. */
export async function publishPort(
  wanted: WorkspaceCall,
  ports: { readonly guestPort: number; readonly hostPort?: number | undefined },
): Promise<PublishedPort> {
  const { connection } = await requireRunning(wanted);
  const { guestPort, hostPort } = ports;
  const input = { guestPort, ...(hostPort === undefined ? {} : { hostPort }) };
  return call(connection, portVerbs.publish, input, { signal: wanted.signal }).catch(async (error: unknown) => {
    throw await withHolder(wanted, hostPort, error);
  });
}

/** The same error with the workspace that has the port, if one has it. */
async function withHolder(
  { context, workspaceId }: WorkspaceCall,
  hostPort: number | undefined,
  thrown: unknown,
): Promise<unknown> {
  const error = PyroError.from(thrown);
  if (error.code !== "port_in_use" || hostPort === undefined) return thrown;
  const stored = await listStored(context.layout.workspacesDir, "workspace");
  const holder = stored.find(
    (each) =>
      each.status === "ok" &&
      each.record.state === "started" &&
      each.record.publishedPorts.some((port) => port.hostPort === hostPort),
  );
  if (!holder) return thrown;
  const { workspaceId: holderId } = holder.place;
  const whose = holderId === workspaceId ? "this workspace" : `workspace '${holderId}'`;
  return new PyroError(error.code, `cannot publish on port ${hostPort} of this host: ${whose} has it`, {
    hint: hint`Choose another port, or ${toRun("workspace.port.close", { workspaceId: holderId })} with it.`,
    details: { ...error.details, workspaceId: holderId },
    cause: thrown,
  });
}

export async function closePort(wanted: WorkspaceCall, guestPort: number): Promise<void> {
  const { connection } = await requireRunning(wanted);
  await call(connection, portVerbs.closePort, { guestPort }, { signal: wanted.signal });
}

/** The published ports. Of a workspace that does not run, those that its start will publish. */
export async function publishedPorts(wanted: WorkspaceCall): Promise<readonly PortState[]> {
  const { ports } = await askWorkspace(wanted, {
    running: ({ connection }) => call(connection, portVerbs.portStates, {}, { signal: wanted.signal }),
    idle: async ({ record }) => ({
      ports: record.publishedPorts.map((port) => ({
        ...port,
        problem: "the workspace is not running",
        ...{ connectionCount: 0, openCount: 0, lastRefusal: null },
      })),
    }),
  });
  return ports;
}
