import { chmod, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { ensureDir, fileError, pathExists, readRecord, replaceRecord } from "../../host/files.ts";
import { createLockFile, type HeldLock, tryLockFile } from "../../host/lock-file.ts";
import { type WorkspaceRecord, workspaceRecordSchema } from "./record.ts";

const recordName = "workspace.json";
const idForm = /^[0-9a-f]{12}$/;
/** A folder on its way out; whoever finds it may finish the work */
const doomedForm = /^\.deleted-[0-9a-f]{12}$/;
/** A folder that is being filled; its maker holds its lock */
const unbornForm = /^\.new-[0-9a-f]{12}$/;
const lockName = "lock";
/** Between the making of a folder and of its lock */
const abandonedAfterMs = 60_000;

/** Every file of one workspace. */
export class WorkspacePlace {
  readonly dir: string;
  readonly workspaceId: string;

  constructor(workspacesDir: string, workspaceId: string, folderName = workspaceId) {
    this.workspaceId = workspaceId;
    this.dir = join(workspacesDir, folderName);
  }

  get recordPath(): string {
    return join(this.dir, recordName);
  }
  /** Held by the supervisor for as long as it lives, and by whoever changes a workspace that has none */
  get lockPath(): string {
    return join(this.dir, lockName);
  }
  /** Its commands and what was done to it since its creation or a reset; `reset` numbers them, so that one record switches */
  historyDir(resetCount: number): string {
    return join(this.dir, `history-${resetCount}`);
  }
  get logPath(): string {
    return join(this.dir, "supervisor.log");
  }
  /** Layers of its disks; the virtual machine can enter this folder and nothing else */
  get disksDir(): string {
    return join(this.dir, "disks");
  }
  get seedPath(): string {
    return join(this.disksDir, "seed.ext4");
  }
  layerPath(name: string): string {
    return join(this.disksDir, name);
  }
}

export const socketName = "supervisor.sock";

/** A workspace as listed: one whose record cannot be read is there all the same. */
export type StoredWorkspace =
  | { readonly status: "ok"; readonly place: WorkspacePlace; readonly record: WorkspaceRecord }
  | { readonly status: "broken"; readonly place: WorkspacePlace; readonly reason: string };

/** Finds one workspace; fails with `not_found` for an id that nobody knows. */
export async function findWorkspace(workspacesDir: string, workspaceId: string): Promise<StoredWorkspace> {
  const stored = idForm.test(workspaceId) ? await look(workspacesDir, workspaceId) : undefined;
  if (stored) return stored;
  throw noSuchWorkspace(workspaceId);
}

/** The record of one workspace; fails with `failed_precondition` when it cannot be read. */
export async function readWorkspace(workspacesDir: string, workspaceId: string): Promise<WorkspaceRecord> {
  const stored = await findWorkspace(workspacesDir, workspaceId);
  if (stored.status === "ok") return stored.record;
  throw new PyroError("failed_precondition", `cannot use workspace '${workspaceId}': it is broken: ${stored.reason}`, {
    hint: `Run \`pyro workspace delete ${workspaceId}\`.`,
  });
}

export function noSuchWorkspace(workspaceId: string): PyroError {
  return new PyroError("not_found", `there is no workspace '${workspaceId}'`, {
    hint: "Run `pyro workspace list` to see which there are.",
  });
}

export async function listWorkspaces(workspacesDir: string): Promise<readonly StoredWorkspace[]> {
  const names = await readdir(workspacesDir).catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw fileError(`cannot list '${workspacesDir}'`, error);
  });
  const found = await Promise.all(names.filter((name) => idForm.test(name)).map((name) => look(workspacesDir, name)));
  return found.filter((stored) => stored !== undefined);
}

async function look(workspacesDir: string, workspaceId: string): Promise<StoredWorkspace | undefined> {
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const read = await readRecord(place.recordPath, workspaceRecordSchema);
  if (read.status === "ok") return { status: "ok", place, record: read.record };
  if (read.status === "unreadable") return { status: "broken", place, reason: read.reason };
  // It may have been removed since it was listed.
  return (await pathExists(place.dir)) ? { status: "broken", place, reason: "its record is missing" } : undefined;
}

/** Whoever calls this holds the workspace's lock. */
export async function saveWorkspace(
  place: WorkspacePlace,
  record: WorkspaceRecord,
  options = { isDurable: true },
): Promise<void> {
  await replaceRecord(place.recordPath, workspaceRecordSchema, record, options);
}

/** Takes the lock of a workspace that no supervisor has; `held` when one has it. */
export async function lockWorkspace(place: WorkspacePlace): Promise<HeldLock | "held"> {
  const lock = await tryLockFile(place.lockPath);
  if (lock === "gone") throw noSuchWorkspace(place.workspaceId);
  return lock;
}

/** Removes a workspace for everybody at once, then its files; whoever calls this holds its lock, if there is one to hold. */
export async function removeWorkspace(workspacesDir: string, place: WorkspacePlace): Promise<void> {
  const doomed = join(workspacesDir, `.deleted-${place.workspaceId}`);
  await rename(place.dir, doomed).catch((error: unknown) => {
    if (systemErrorCode(error) !== "ENOENT") throw fileError(`cannot delete workspace '${place.workspaceId}'`, error);
  });
  await rm(doomed, { recursive: true, force: true });
}

/** Finishes deletions that were interrupted, and removes what interrupted creations left. */
export async function sweepLeftovers(workspacesDir: string): Promise<void> {
  for (const name of await readdir(workspacesDir).catch(() => [])) {
    const path = join(workspacesDir, name);
    if (doomedForm.test(name)) await rm(path, { recursive: true, force: true });
    if (!unbornForm.test(name)) continue;
    // Its maker has its lock only a moment after its folder, and would lose it to us.
    if (!(await isOld(path))) continue;
    const lock = await tryLockFile(join(path, lockName));
    if (lock === "held") continue;
    await rm(path, { recursive: true, force: true });
    if (lock !== "gone") await lock[Symbol.asyncDispose]();
  }
}

async function isOld(path: string): Promise<boolean> {
  const made = await stat(path).catch(() => undefined);
  return made !== undefined && Date.now() - made.mtimeMs > abandonedAfterMs;
}

/** A workspace that nobody sees yet, to be made visible as a whole by `publish`. */
export interface UnbornWorkspace extends AsyncDisposable {
  readonly place: WorkspacePlace;
  /** To be handed to its supervisor, which can load while the lock is still being taken */
  readonly lock: HeldLock;
  /** Gives it its name, with the lock held; from then on it is the workspace that its supervisor finds */
  publish(): Promise<void>;
}

export async function beginWorkspace(workspacesDir: string, workspaceId: string): Promise<UnbornWorkspace> {
  await ensureDir(workspacesDir);
  const unborn = new WorkspacePlace(workspacesDir, workspaceId, `.new-${workspaceId}`);
  const born = new WorkspacePlace(workspacesDir, workspaceId);
  await ensureDir(unborn.dir);
  await ensureDir(unborn.disksDir);
  // The virtual machine may run as somebody else, who may look for files in it by name, but not list it.
  await chmod(unborn.disksDir, 0o711);
  const lock = await createLockFile(unborn.lockPath);
  return {
    lock,
    place: unborn,
    async publish() {
      // A workspace without a lock would be anybody's.
      await lock.taken;
      await rename(unborn.dir, born.dir);
    },
    async [Symbol.asyncDispose]() {
      await rm(unborn.dir, { recursive: true, force: true });
      await lock[Symbol.asyncDispose]();
    },
  };
}
