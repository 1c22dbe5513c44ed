import { chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { syncFile, syncFolder } from "../../host/durable.ts";
import { ensureDir, fileError, pathExists, readRecord, replaceRecord } from "../../host/files.ts";
import { createLockFile, type HeldLock, type PendingLock, tryLockFile } from "../../host/lock/lock-file.ts";
import { anyId, draftForm, inWords, isIdOf, type Kind, removedForm, toCall } from "./kind.ts";
import { migrateRecord, type WorkspaceRecord, workspaceRecordSchema } from "./record.ts";
import { sweepExports } from "./unfinished-exports.ts";

const recordName = "workspace.json";
const lockName = "lock";
/** Limit for the time between the creation of a folder and of its lock */
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
  /**
   * The supervisor holds it for as long as it lives. Without a supervisor, the process that changes
   * the workspace does
   */
  get lockPath(): string {
    return join(this.dir, lockName);
  }
  /**
   * Its commands, edits and exports since its creation or a reset. The number lets one write of the
   * record switch it
   */
  historyDir(resetCount: number): string {
    return join(this.dir, `history-${resetCount}`);
  }
  /** Names and ledger of its network, which a reset keeps */
  get networkDir(): string {
    return join(this.dir, "network");
  }
  get namesPath(): string {
    return join(this.networkDir, "names");
  }
  get logPath(): string {
    return join(this.dir, "supervisor.log");
  }
  /** Layers of its disks. The virtual machine can enter this folder and no other */
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

/** A workspace as listed, also if its record cannot be read. */
export type StoredWorkspace =
  | { readonly status: "ok"; readonly place: WorkspacePlace; readonly record: WorkspaceRecord }
  | { readonly status: "broken"; readonly place: WorkspacePlace; readonly reason: string };

/** Finds one, of either kind; fails with `not_found` if there is none of that id. */
export async function findWorkspace(workspacesDir: string, workspaceId: string): Promise<StoredWorkspace> {
  const stored = anyId.test(workspaceId) ? await look(workspacesDir, workspaceId) : undefined;
  if (stored) return stored;
  throw noSuchWorkspace(workspaceId);
}

/** The record of one workspace; fails with `failed_precondition` if it cannot be read. */
export async function readWorkspace(workspacesDir: string, workspaceId: string): Promise<WorkspaceRecord> {
  const stored = await findWorkspace(workspacesDir, workspaceId);
  if (stored.status === "ok") return stored.record;
  throw new PyroError("failed_precondition", `cannot use ${inWords(workspaceId)}: it is broken: ${stored.reason}`, {
    hint: hint`${toCall("delete", workspaceId)}.`,
  });
}

export function noSuchWorkspace(workspaceId: string): PyroError {
  return new PyroError("not_found", `there is no ${inWords(workspaceId)}`, {
    hint: isIdOf("vm", workspaceId)
      ? "It has run its command, has expired, or was deleted. Create another one."
      : hint`${toRun("workspace.list")} to see which there are.`,
  });
}

/** What is stored, of one kind or of both. */
export async function listStored(
  workspacesDir: string,
  ...kinds: readonly Kind[]
): Promise<readonly StoredWorkspace[]> {
  const names = await readdir(workspacesDir).catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw fileError(`cannot list '${workspacesDir}'`, error);
  });
  const ids = names.filter((name) => kinds.some((kind) => isIdOf(kind, name)));
  const found = await Promise.all(ids.map((id) => look(workspacesDir, id)));
  return found.filter((stored) => stored !== undefined);
}

async function look(workspacesDir: string, workspaceId: string): Promise<StoredWorkspace | undefined> {
  const place = new WorkspacePlace(workspacesDir, workspaceId);
  const read = await readRecord(place.recordPath, workspaceRecordSchema, migrateRecord);
  if (read.status === "ok") return { status: "ok", place, record: read.record };
  if (read.status === "unreadable") return { status: "broken", place, reason: read.reason };
  // Another process may have removed it since it was listed.
  return (await pathExists(place.dir)) ? { status: "broken", place, reason: "its record is missing" } : undefined;
}

/**
 * Writes the record. The caller holds the workspace's lock. Unless `isDurable`, the old record may
 * come back after a power cut.
 */
export async function saveWorkspace(
  place: WorkspacePlace,
  record: WorkspaceRecord,
  options = { isDurable: true },
): Promise<void> {
  await replaceRecord(place.recordPath, workspaceRecordSchema, record, options);
}

/** Makes layers survive a power cut, with the names of all. */
export async function syncLayers(place: WorkspacePlace, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => syncFile(place.layerPath(name))));
  await syncFolder(place.disksDir);
}

/** Takes the lock of a workspace; `held` if another process has it. */
export async function lockWorkspace(place: WorkspacePlace): Promise<HeldLock | "held"> {
  const lock = await tryLockFile(place.lockPath);
  if (lock === "gone") throw noSuchWorkspace(place.workspaceId);
  return lock;
}

/**
 * Removes a workspace for all processes at once, then its files. The caller holds its lock, if it
 * has one.
 */
export async function removeWorkspace(workspacesDir: string, place: WorkspacePlace): Promise<void> {
  const removed = join(workspacesDir, `.deleted-${place.workspaceId}`);
  await rename(place.dir, removed)
    .then(() => syncFolder(workspacesDir))
    .catch((error: unknown) => {
      if (systemErrorCode(error) !== "ENOENT") throw fileError(`cannot delete ${inWords(place.workspaceId)}`, error);
    });
  await rm(removed, { recursive: true, force: true });
}

/**
 * Finishes deletions that were interrupted, and removes what creations and exports left that were.
 */
export async function sweepLeftovers(workspacesDir: string): Promise<void> {
  await sweepExports(workspacesDir);
  for (const name of await readdir(workspacesDir).catch(() => [])) {
    const path = join(workspacesDir, name);
    if (removedForm.test(name)) await rm(path, { recursive: true, force: true });
    if (!draftForm.test(name)) continue;
    // A folder gets its lock a moment after its creation, and this process must not take it before.
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

/** A workspace that no other process sees until `publish` makes it visible as a whole. */
export interface WorkspaceDraft extends AsyncDisposable {
  readonly place: WorkspacePlace;
  /** For its supervisor, which can load while the lock is still being taken */
  readonly lock: HeldLock;
  /** Gives it its name, with the lock held. From then on its supervisor can find it */
  publish(): Promise<void>;
}

async function makeFolders({ dir, disksDir, lockPath }: WorkspacePlace): Promise<PendingLock> {
  await mkdir(dir, { mode: 0o700 });
  await mkdir(disksDir);
  // The virtual machine may run as another user, who may open files in it but not list it.
  await chmod(disksDir, 0o711);
  return createLockFile(lockPath);
}

export async function beginWorkspace(workspacesDir: string, workspaceId: string): Promise<WorkspaceDraft> {
  await ensureDir(workspacesDir);
  const draft = new WorkspacePlace(workspacesDir, workspaceId, `.new-${workspaceId}`);
  const published = new WorkspacePlace(workspacesDir, workspaceId);
  const lock = await makeFolders(draft).catch(async (error: unknown) => {
    await rm(draft.dir, { recursive: true, force: true });
    throw error;
  });
  return {
    lock,
    place: draft,
    async publish() {
      // Any process could take over a workspace without a lock.
      await lock.taken;
      await rename(draft.dir, published.dir);
    },
    async [Symbol.asyncDispose]() {
      await rm(draft.dir, { recursive: true, force: true }).catch(() => {
        // A sweep removes it later.
      });
      await lock[Symbol.asyncDispose]();
    },
  };
}
