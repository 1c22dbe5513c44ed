import { basename, dirname } from "node:path";
import { toWire } from "../../core/wire-case.ts";
import { syncFolder } from "../../host/durable.ts";
import { ensureDir } from "../../host/files.ts";
import { commandLineOf, identifyProcess, killGroupOf } from "../../host/process-identity.ts";
import { storageSession } from "../../host/system.ts";
import type { EngineContext } from "../../machines/context.ts";
import { openBroker } from "../../machines/guest/broker.ts";
import { openEgress } from "../../machines/guest/network.ts";
import type { Broker } from "../../network/broker/broker.ts";
import { aboutCertificates, addedCertificates, type HostCertificate } from "../../network/certificates/host.ts";
import type { Egress } from "../../network/egress.ts";
import { changeOwner } from "../change/owner.ts";
import { sweepLayers, sweepRecords, sweepUnused } from "../checkpoint/layers.ts";
import { checkpointOwner, forkCheckpoint } from "../checkpoint/owner.ts";
import { commandOwner } from "../command/owner.ts";
import { fileOwner } from "../file/owner.ts";
import { forkWorkspaceMachine, type MachineRequest } from "../life/machine.ts";
import { lifeOwner } from "../life/owner.ts";
import { resumeMachine } from "../life/resume.ts";
import { networkOwner } from "../network/owner.ts";
import { portOwner } from "../port/owner.ts";
import {
  baselineName,
  isExpired,
  isOrphan,
  isUnfinished,
  type WorkspaceRecord,
  workspaceRecordSchema,
} from "../record/record.ts";
import {
  findWorkspace,
  lockWorkspace,
  readWorkspace,
  removeWorkspace,
  type StoredWorkspace,
  saveWorkspace,
  WorkspacePlace,
} from "../record/store.ts";
import { secretOwner } from "../secret/owner.ts";
import { WorkspaceSecrets } from "../secret/secrets.ts";
import { serviceOwner } from "../service/owner.ts";
import { shellOwner } from "../shell/owner.ts";
import { complain, redactComplaints } from "./complain.ts";
import { fromLaunchContext, guardianName, idleExitCode, type Launch } from "./launch.ts";
import { type NewMachine, OwnedWorkspace, type OwnedWorkspaceStart } from "./owned-workspace.ts";
import { errorData } from "./protocol.ts";
import { ControlServer } from "./server.ts";
import { Starter } from "./starter.ts";

/** Time for the last answers to reach their callers before the process ends */
const lastAnswersMs = 2_000;
/** The host's clock can jump, and timers stand still while the host is suspended */
const maxTimerMs = 60_000;

/** The verbs of each noun in a running workspace */
export const owners = [
  lifeOwner,
  commandOwner,
  fileOwner,
  changeOwner,
  checkpointOwner,
  networkOwner,
  portOwner,
  serviceOwner,
  shellOwner,
  secretOwner,
];

/**
 * The program behind bin/supervisor.js. `run DIR` owns a workspace until it ends. `expire DIR`
 * removes one that has expired, and `orphan DIR` a machine that must go with its supervisor.
 */
export async function supervise(argv: readonly string[]): Promise<number> {
  const [mode, dir = ""] = argv;
  const place = new WorkspacePlace(dirname(dir), basename(dir));
  process.on("unhandledRejection", (error) => complain("an unhandled failure", error));
  // A log on a full disk must not end the workspace.
  process.stderr.on("error", () => {});
  if (mode === "expire") return expire(place);
  return mode === "orphan" ? removeOrphan(place) : run(place);
}

async function run(place: WorkspacePlace): Promise<number> {
  const starter = new Starter();
  const launch = await starter.task();
  if (!launch) return giveUp(place);
  if (launch.mode === "keep") return keep(place, starter);
  let workspace: OwnedWorkspace | undefined;
  let server: ControlServer | undefined;
  try {
    // Callers that come while the machine starts wait on their connections.
    server = await ControlServer.listen(place.dir);
    // A workspace that no caller has been told of goes with the caller that asked for it.
    workspace = await begin(place, launch, starter.gone);
    if (launch.mode === "create") starter.gone.throwIfAborted();
  } catch (error) {
    await workspace?.abandon();
    if (launch.mode === "create") await removeWorkspace(dirname(place.dir), place);
    await server?.close(0);
    const secrets = new WorkspaceSecrets([], launch.secrets);
    await starter.tell({ error: errorData(error, (words) => secrets.redacted(words)) });
    return 1;
  }
  server.serve(
    owners.flatMap((owner) => owner(workspace)),
    (words) => workspace.secrets.redacted(words),
  );
  endAtExpiry(workspace);
  process.on("SIGHUP", () => {});
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => void stopOrDie(workspace, signal));
  }
  void starter.tell({ record: toWire(workspaceRecordSchema, workspace.record) });
  await workspace.ended;
  await workspace.egress.close();
  await server.close(lastAnswersMs);
  return 0;
}

/** The caller has gone before it gave a task. A workspace that it wanted to create is removed. */
async function giveUp(place: WorkspacePlace): Promise<number> {
  const workspacesDir = dirname(place.dir);
  const stored = await findWorkspace(workspacesDir, place.workspaceId).catch(() => undefined);
  if (stored?.status === "ok" && isUnfinished(stored.record)) await removeWorkspace(workspacesDir, place);
  return idleExitCode;
}

/**
 * Puts on file that a machine is created. The guardian, which stays, removes it when it expires.
 */
async function keep(place: WorkspacePlace, starter: Starter): Promise<number> {
  const workspacesDir = dirname(place.dir);
  try {
    const stored = await readWorkspace(workspacesDir, place.workspaceId);
    const record: WorkspaceRecord = { ...stored, state: "stopped", guardian: await ownGuardian(place) };
    starter.gone.throwIfAborted();
    await saveWorkspace(place, record);
    await syncFolder(workspacesDir);
    await starter.tell({ record: toWire(workspaceRecordSchema, record) });
    return 0;
  } catch (error) {
    await removeWorkspace(workspacesDir, place);
    await starter.tell({ error: errorData(error) });
    return 1;
  }
}

async function begin(place: WorkspacePlace, launch: Launch, signal: AbortSignal | undefined): Promise<OwnedWorkspace> {
  const context = fromLaunchContext(launch.context);
  const stored = await readWorkspace(context.layout.workspacesDir, place.workspaceId);
  if (stored.guardian) await killGroupOf(stored.guardian);
  const [guardian, rootUnsyncedIn] = await Promise.all([ownGuardian(place), storageSession(place.disksDir)]);
  const record = { ...stored, guardian };
  await saveWorkspace(place, record, { isDurable: false });
  // A crash leaves layers under numbers that the next fork uses.
  await sweepLayers(place, record);
  await sweepRecords(place);
  const secrets = new WorkspaceSecrets(stored.secrets, launch.secrets);
  redactComplaints((text) => secrets.redacted(text));
  const broker = await openBroker(context, secrets.brokered);
  const [egress, certificates] = await Promise.all([
    workspaceEgress(context, place, record, { secrets, broker }),
    stored.hostCertificates === null ? undefined : addedCertificates({ files: context.certificateFiles }),
  ]);
  const { machine, change } = await machineFor(launch, { context, place, record, signal });
  try {
    const begun = {
      ...record,
      ...change,
      rootUnsyncedIn,
      hostCertificates: trusted(stored, certificates),
      secrets: secrets.records,
    };
    const trust = { certificates: withAuthority(certificates, broker), secrets };
    const start = { context, place, record: begun, machine, egress, ...trust };
    const workspace = await OwnedWorkspace.begin(start);
    if (launch.mode === "create") await syncFolder(dirname(place.dir));
    await workspace.update({});
    await sweepUnused(place, workspace.record);
    return workspace;
  } catch (error) {
    await machine.close();
    throw error;
  }
}

function trusted(
  { hostCertificates }: WorkspaceRecord,
  certificates: readonly HostCertificate[] = [],
): WorkspaceRecord["hostCertificates"] {
  return hostCertificates === null ? null : aboutCertificates(certificates);
}

/** What the guest has to trust, with the authority of a broker. */
function withAuthority(
  certificates: readonly HostCertificate[] | undefined,
  broker: Broker | undefined,
): OwnedWorkspaceStart["certificates"] {
  return broker ? [...(certificates ?? []), { pem: broker.authorityPem }] : certificates;
}

async function workspaceEgress(
  context: EngineContext,
  place: WorkspacePlace,
  record: WorkspaceRecord,
  { secrets, broker }: { readonly secrets: WorkspaceSecrets; readonly broker: Broker | undefined },
): Promise<Egress> {
  const { networkDir } = place;
  await ensureDir(networkDir);
  return openEgress(context, record.network, { dir: networkDir, redact: (text) => secrets.redacted(text), broker });
}

/** The parent process, unless the guardian was killed and another process has adopted this one. */
async function ownGuardian({ dir }: WorkspacePlace): Promise<WorkspaceRecord["guardian"]> {
  const words = await commandLineOf(process.ppid);
  if (!words.includes(guardianName) || !words.includes(dir)) return null;
  return (await identifyProcess(process.ppid)) ?? null;
}

async function machineFor({ mode, snapshotName }: Launch, request: MachineRequest): Promise<NewMachine> {
  const started = { state: "started", stateReason: null } as const;
  if (mode === "create" || request.record.layers.length === 0) {
    const { machine, disks } = await forkWorkspaceMachine(request, { layers: [], hasChanges: false });
    return { machine, change: { ...started, ...disks, isolation: machine.isolation } };
  }
  if (mode === "reset") {
    return forkCheckpoint(request, snapshotName ?? baselineName);
  }
  const resumed = await resumeMachine(request);
  return {
    machine: resumed.machine,
    change: { ...resumed.change, ...started, lastActivityAt: new Date().toISOString() },
  };
}

function endAtExpiry(workspace: OwnedWorkspace): void {
  const remainingMs = Date.parse(workspace.record.expiresAt) - Date.now();
  const check = () => {
    if (!isExpired(workspace.record)) return endAtExpiry(workspace);
    workspace.delete("its time to live is over").catch((error: unknown) => {
      if (workspace.isOver) return;
      complain("cannot end the workspace", error);
      // The guardian removes what this process cannot.
      process.exit(1);
    });
  };
  setTimeout(check, Math.min(Math.max(0, remainingMs), maxTimerMs)).unref();
}

async function stopOrDie(workspace: OwnedWorkspace, signal: string): Promise<void> {
  try {
    await workspace.exclusively(() => workspace.stop(`its supervisor got ${signal}`));
  } catch (error) {
    // A caller may have ended it.
    if (workspace.isOver) return;
    complain("cannot stop the workspace", error);
    process.exit(1);
  }
}

/** Removes a workspace without a supervisor that has expired, or whose record cannot be read. */
async function expire(place: WorkspacePlace): Promise<number> {
  const stored = await findWorkspace(dirname(place.dir), place.workspaceId);
  if (stored.status === "ok" && !isExpired(stored.record)) return 1;
  return removeIf(place, () => true);
}

/** Removes what its supervisor, which has just died, has left and nothing else may be left of. */
function removeOrphan(place: WorkspacePlace): Promise<number> {
  return removeIf(place, (stored) => stored.status === "ok" && isOrphan(stored.record));
}

async function removeIf(place: WorkspacePlace, isMeant: (stored: StoredWorkspace) => boolean): Promise<number> {
  const workspacesDir = dirname(place.dir);
  const lock = await lockWorkspace(place);
  // The process that holds it removes the workspace, or the guardian asks again.
  if (lock === "held") return 1;
  await using _ = lock;
  // Only the holder of the lock can change it now.
  if (!isMeant(await findWorkspace(workspacesDir, place.workspaceId))) return 1;
  await removeWorkspace(workspacesDir, place);
  return 0;
}
