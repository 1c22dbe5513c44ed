import { setTimeout as sleep } from "node:timers/promises";
import { askWorkspace, currentRecord, requireRunning, type WorkspaceCall } from "../control/access.ts";
import { call } from "../control/client.ts";
import type { VerbInput } from "../control/protocol.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import type { ServiceRecord } from "../record/service.ts";
import { WorkspacePlace } from "../record/store.ts";
import { type LogLine, readLog } from "./log.ts";
import { unknownService } from "./rules.ts";
import { type SeenService, serviceVerbs } from "./verbs.ts";

/** Starts a service and waits until it is ready, has ended, or was not ready in time. */
export async function startService(
  wanted: WorkspaceCall,
  input: VerbInput<typeof serviceVerbs.startService>,
): Promise<SeenService> {
  const { connection } = await requireRunning(wanted);
  return call(connection, serviceVerbs.startService, input, { signal: wanted.signal });
}

/** Ends a service, if it runs. */
export function stopService(
  wanted: WorkspaceCall,
  input: VerbInput<typeof serviceVerbs.stopService>,
): Promise<SeenService> {
  return askWorkspace(wanted, {
    running: ({ connection }) => call(connection, serviceVerbs.stopService, input, { signal: wanted.signal }),
    idle: async ({ record }) => atRest(record, input.serviceName),
  });
}

export function serviceState(wanted: WorkspaceCall, serviceName: string): Promise<SeenService> {
  return askWorkspace(wanted, {
    running: ({ connection }) =>
      call(connection, serviceVerbs.serviceState, { serviceName }, { signal: wanted.signal }),
    idle: async ({ record }) => atRest(record, serviceName),
  });
}

function atRest({ services }: WorkspaceRecord, serviceName: string): SeenService {
  return { service: serviceNamed(services, serviceName), live: null, network: null };
}

function serviceNamed(services: readonly ServiceRecord[], serviceName: string): ServiceRecord {
  const found = services.find((service) => service.serviceName === serviceName);
  if (!found) throw unknownService(serviceName);
  return found;
}

export interface ServiceLog {
  readonly service: ServiceRecord;
  readonly lines: readonly LogLine[];
  /** Whether older lines are not kept any more */
  readonly isCut: boolean;
}

/** What a service has printed since its last start, also if it does not run. */
export async function serviceLog({ context, workspaceId }: WorkspaceCall, serviceName: string): Promise<ServiceLog> {
  const record = await currentRecord(context, workspaceId);
  const service = serviceNamed(record.services, serviceName);
  const historyDir = new WorkspacePlace(context.layout.workspacesDir, workspaceId).historyDir(record.resetCount);
  return { service, ...(await readLog(historyDir, serviceName, service.generation)) };
}

/** A follower sees a line this late at most */
const followMs = 300;

/**
 * The lines that come from now on, each once it is whole, until the service has ended or begun
 * anew.
 */
export async function* followService(
  wanted: WorkspaceCall,
  { service: { serviceName, generation }, lines: known }: ServiceLog,
): AsyncGenerator<LogLine> {
  let last = known.findLast(({ isOpen }) => !isOpen);
  for (;;) {
    const { service, lines } = await serviceLog(wanted, serviceName);
    if (service.generation !== generation) return;
    const isOver = service.state !== "running";
    for (const line of linesAfter(lines, last)) {
      if (line.isOpen && !isOver) continue;
      yield line;
      last = line;
    }
    if (isOver) return;
    await sleep(followMs, undefined, { signal: wanted.signal });
  }
}

/** The lines behind one, or all, if that is not kept any more. */
function linesAfter(lines: readonly LogLine[], last: LogLine | undefined): readonly LogLine[] {
  if (!last) return lines;
  const { at, stream, text } = last;
  return lines.slice(lines.findLastIndex((line) => line.at === at && line.stream === stream && line.text === text) + 1);
}
