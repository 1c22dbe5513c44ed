import { PyroError } from "../../core/errors.ts";
import { catalogEntry } from "../../images/catalog.ts";
import type { EngineCallOptions, EngineContext } from "../../machines/context.ts";
import { ensureEnvironment } from "../../machines/ensure-environment.ts";
import type { MachineShape } from "../../machines/shape.ts";
import { ensureTemplate } from "../../machines/templates/ensure.ts";
import { findVmTools } from "../../machines/vm-tools.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";
import type { SkippedEntry } from "../../tree/entry.ts";
import { startSupervisor } from "../control/start.ts";
import { requireMetadata } from "../record/metadata.ts";
import { newWorkspaceId, type WorkspaceRecord } from "../record/record.ts";
import { beginWorkspace, saveWorkspace, WorkspacePlace } from "../record/store.ts";
import { claimActiveSlot } from "./active-limit.ts";
import { deleteWorkspace } from "./caller.ts";
import { type SeedChoice, seedDisk } from "./seeding.ts";

export interface CreateRequest {
  readonly environment: string;
  readonly shape: MachineShape;
  readonly ttlMs: number;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: NetworkRules;
  /** Whether its guest trusts the host's certificate authorities */
  readonly hostCertificates: boolean;
  /** Default: an empty workspace */
  readonly seed?: SeedChoice | undefined;
}

export interface CreatedWorkspace {
  readonly record: WorkspaceRecord;
  /** Entries of the seed that were left out, and why */
  readonly skipped: readonly SkippedEntry[];
}

/** Creates a workspace and starts it. If anything fails, nothing is left of it. */
export async function createWorkspace(
  context: EngineContext,
  request: CreateRequest,
  options: EngineCallOptions,
): Promise<CreatedWorkspace> {
  const { environment: environmentName, shape, ttlMs, name, labels, network } = request;
  catalogEntry(environmentName);
  requireMetadata({ name, labels });
  const { workspacesDir } = context.layout;
  const workspaceId = newWorkspaceId();
  await using draft = await beginWorkspace(workspacesDir, workspaceId);
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const { lock } = draft;
  // The supervisor loads while its disk is made.
  using supervisor = startSupervisor({
    context,
    lock,
    dir: place.dir,
    logPath: draft.place.logPath,
    expiresAt: timeFromNow(ttlMs),
  });
  const [environment, { seed, skipped }] = await bothOrCancelled(
    options.signal,
    (signal) => readyEnvironment(context, environmentName, shape, { ...options, signal }),
    (signal) => seedDisk(context, request.seed, draft.place.seedPath, { ...options, signal }),
  );
  // The time to live counts from here: a first use may have installed an environment for minutes.
  const now = timeFromNow(0);
  const record: WorkspaceRecord = {
    formatVersion: 5,
    workspaceId,
    name,
    labels: { ...labels },
    environment,
    seed,
    ...shape,
    state: "starting",
    stateReason: null,
    network,
    publishedPorts: [],
    services: [],
    hostCertificates: request.hostCertificates ? [] : null,
    isolation: null,
    baseline: null,
    guardian: null,
    createdAt: now,
    lastActivityAt: now,
    sessionStartedAt: now,
    expiresAt: timeFromNow(ttlMs),
    layers: [],
    rootLayers: [],
    nextLayer: 0,
    rootUnsyncedIn: null,
    rootLoss: null,
    snapshots: [],
    commandCount: 0,
    lastCommand: null,
    resetCount: 0,
    lastResetAt: null,
  };
  // The supervisor writes it durably, once there is something to keep.
  await saveWorkspace(draft.place, record, { isDurable: false });
  await claimActiveSlot(context, "create a workspace", () => draft.publish());
  try {
    return { record: await supervisor.go({ mode: "create", signal: options.signal }), skipped };
  } catch (error) {
    supervisor[Symbol.dispose]();
    await lock[Symbol.asyncDispose]();
    await deleteWorkspace({ context, workspaceId }).catch((failure: unknown) => {
      // Unless the supervisor has removed it, it stays in the list and can be deleted.
      if (PyroError.from(failure).code !== "not_found") throw error;
    });
    throw error;
  }
}

/**
 * If one fails, the other is cancelled and waited for: a clone or an installation must not go on
 * without an owner.
 */
async function bothOrCancelled<A, B>(
  signal: AbortSignal | undefined,
  first: (signal: AbortSignal) => Promise<A>,
  second: (signal: AbortSignal) => Promise<B>,
): Promise<readonly [A, B]> {
  const failure = new AbortController();
  const either = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const failures: unknown[] = [];
  const onFailure = (error: unknown): never => {
    failures.push(error);
    failure.abort();
    throw error;
  };
  const works = [first(either).catch(onFailure), second(either).catch(onFailure)] as const;
  await Promise.allSettled(works);
  if (failures.length > 0) throw failures[0];
  return [await works[0], await works[1]];
}

function timeFromNow(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

/** Installs, builds and proves what is missing in this process, whose user sees the progress. */
async function readyEnvironment(
  context: EngineContext,
  name: string,
  shape: MachineShape,
  options: EngineCallOptions,
): Promise<WorkspaceRecord["environment"]> {
  const tools = await findVmTools(context);
  const environment = await ensureEnvironment(context, name, options);
  await ensureTemplate(context, { ...tools, environment, shape }, options);
  return { ...environment };
}
