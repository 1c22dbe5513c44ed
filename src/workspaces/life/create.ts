import { catalogEntry } from "../../images/catalog.ts";
import type { EngineCallOptions, EngineContext } from "../../machines/context.ts";
import { ensureEnvironment } from "../../machines/ensure-environment.ts";
import type { MachineShape } from "../../machines/shape.ts";
import { ensureTemplate } from "../../machines/templates/ensure.ts";
import { findVmTools } from "../../machines/vm-tools.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";
import type { SkippedEntry } from "../../tree/entry.ts";
import { startSupervisor } from "../control/start.ts";
import { type Kind, newId } from "../record/kind.ts";
import { requireMetadata } from "../record/metadata.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { beginWorkspace, saveWorkspace, WorkspacePlace } from "../record/store.ts";
import { type GivenSecret, readGiven } from "../secret/given.ts";
import { WorkspaceSecrets } from "../secret/secrets.ts";
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
  /** A machine for one command is only put on file; default: a workspace */
  readonly kind?: Kind;
  readonly secrets?: readonly GivenSecret[];
}

export interface CreatedWorkspace {
  readonly record: WorkspaceRecord;
  /** Entries of the seed that were left out, and why */
  readonly skipped: readonly SkippedEntry[];
}

/** What the record says of a workspace that nothing has been done with. */
const unused = {
  guardian: null,
  baseline: null,
  isolation: null,
  services: [],
  publishedPorts: [],
  stateReason: null,
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
} satisfies Partial<WorkspaceRecord>;

/**
 * Creates a workspace and starts it, or a machine for one command, which its caller starts. If
 * anything fails, nothing is left of it.
 */
export async function createWorkspace(
  context: EngineContext,
  request: CreateRequest,
  options: EngineCallOptions,
): Promise<CreatedWorkspace> {
  const { environment: environmentName, shape, ttlMs, name, labels, network, kind = "workspace" } = request;
  const isStarted = kind === "workspace";
  catalogEntry(environmentName);
  requireMetadata({ name, labels });
  const secrets = await readGiven(context, request.secrets ?? [], options.signal);
  new WorkspaceSecrets(secrets.records, secrets.held).requireNone("name or label", [
    name ?? "",
    ...Object.entries(labels).flat(),
  ]);
  const { workspacesDir } = context.layout;
  const workspaceId = newId(kind);
  await using draft = await beginWorkspace(workspacesDir, workspaceId);
  const { lock } = draft;
  // The supervisor loads while its disk is made.
  using supervisor = startSupervisor({
    context,
    lock,
    dir: new WorkspacePlace(workspacesDir, workspaceId).dir,
    logPath: draft.place.logPath,
    expiresAt: timeFromNow(ttlMs),
  });
  const [environment, { seed, skipped }] = await bothOrCancelled(
    options.signal,
    (signal) => readyEnvironment(context, environmentName, isStarted ? shape : null, { ...options, signal }),
    (signal) => seedDisk(context, request.seed, draft.place.seedPath, { ...options, signal }),
  );
  // The time to live counts from here: a first use may have installed an environment for minutes.
  const now = timeFromNow(0);
  const record: WorkspaceRecord = {
    formatVersion: 6,
    workspaceId,
    name,
    labels: { ...labels },
    environment,
    seed,
    ...shape,
    state: "starting",
    network,
    secrets: secrets.records,
    hostCertificates: request.hostCertificates ? [] : null,
    createdAt: now,
    lastActivityAt: now,
    sessionStartedAt: now,
    expiresAt: timeFromNow(ttlMs),
    ...unused,
  };
  // The supervisor writes it durably, once there is something to keep.
  await saveWorkspace(draft.place, record, { isDurable: false });
  if (isStarted) await claimActiveSlot(context, "create a workspace", () => draft.publish());
  else await draft.publish();
  try {
    const mode = isStarted ? "create" : "keep";
    return { record: await supervisor.go({ mode, secrets: secrets.held, signal: options.signal }), skipped };
  } catch (error) {
    supervisor[Symbol.dispose]();
    await lock[Symbol.asyncDispose]();
    await removeRest(context, workspaceId);
    throw error;
  }
}

/** What the supervisor has not removed, and cannot be, stays in the list and can be deleted. */
async function removeRest(context: EngineContext, workspaceId: string): Promise<void> {
  await deleteWorkspace({ context, workspaceId }).catch(() => {
    // The failure before is the one to report.
  });
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

/**
 * Installs, builds and proves what is missing in this process, whose user sees the progress.
 * Without a shape nothing is booted.
 */
async function readyEnvironment(
  context: EngineContext,
  name: string,
  shape: MachineShape | null,
  options: EngineCallOptions,
): Promise<WorkspaceRecord["environment"]> {
  const tools = await findVmTools(context);
  const environment = await ensureEnvironment(context, name, options);
  if (shape) await ensureTemplate(context, { ...tools, environment, shape }, options);
  return { ...environment };
}
