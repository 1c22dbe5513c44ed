import { lstat, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../core/errors.ts";
import { fileError, namesIn, type RecordRead, readRecord, writeRecord } from "../host/files.ts";
import type { Layout } from "../host/layout.ts";
import { type LockRequest, withLock } from "../host/lock/lock.ts";
import { type EnvironmentRecord, environmentRecordSchema } from "./record.ts";

/**
 * The folder of installed environments: `NAME/environment.json`, the files they name in
 * `blobs/sha256/HEX`, `staging/NAME/UUID/…` for unfinished pulls, and `locks`, so that all
 * processes that share the folder exclude each other. The folder may hold other things as well.
 */
export type EnvironmentStore = Pick<Layout, "environmentsDir">;

const storeLockTimeoutMs = 60_000;

const stagingName = "staging";
const blobsName = "blobs";
const locksName = "locks";
const recordName = "environment.json";

/** An environment's name as a file name: `debian-12`. */
export function slugOf(name: string): string {
  return name.replaceAll(":", "-");
}

export function installDir(store: EnvironmentStore, slug: string): string {
  return join(store.environmentsDir, slug);
}

export function stagingDir(store: EnvironmentStore): string {
  return join(store.environmentsDir, stagingName);
}

export function blobsDir(store: EnvironmentStore): string {
  return join(store.environmentsDir, blobsName, "sha256");
}

/** Digests of the files in the store, whether environments name them or not. */
export async function storedDigests(store: EnvironmentStore): Promise<string[]> {
  const names = await namesIn(blobsDir(store));
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).map((hex) => `sha256:${hex}`);
}

export function blobPath(store: EnvironmentStore, digest: string): string {
  return join(blobsDir(store), digest.replace("sha256:", ""));
}

export function readEnvironment(store: EnvironmentStore, slug: string): Promise<RecordRead<EnvironmentRecord>> {
  return readRecord(recordPath(store, slug), environmentRecordSchema);
}

/** The caller holds the store's lock. */
export function writeEnvironment(store: EnvironmentStore, record: EnvironmentRecord): Promise<void> {
  return writeRecord(recordPath(store, slugOf(record.name)), environmentRecordSchema, record);
}

/**
 * The store's lock, held for moments while files enter or leave. No file can then be removed before
 * the record that names it is there.
 */
export function withStoreLock<T>(
  store: EnvironmentStore,
  { purpose, signal }: { readonly purpose: string; readonly signal?: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  const request = { dir: locksDir(store), name: "environments", purpose, timeoutMs: storeLockTimeoutMs, signal };
  return withLock(request, work);
}

/** The lock of one environment, for processes that build, replace or remove it. */
export function withEnvironmentLock<T>(
  store: EnvironmentStore,
  slug: string,
  options: Omit<LockRequest, "dir" | "name">,
  work: () => Promise<T>,
): Promise<T> {
  return withLock({ dir: locksDir(store), name: `environment-${slug}`, ...options }, work);
}

/** Environments, as file names, with a record in the store, readable or not. */
export async function storedSlugs(store: EnvironmentStore): Promise<string[]> {
  const names = (await namesIn(store.environmentsDir)).toSorted();
  const areOurs = await Promise.all(names.map((name) => holdsRecord(store, name)));
  return names.filter((_, index) => areOurs[index]);
}

async function holdsRecord(store: EnvironmentStore, name: string): Promise<boolean> {
  try {
    return (await lstat(recordPath(store, name))).isFile();
  } catch {
    // Without a readable folder and a record in it, nothing says that it is pyro's.
    return false;
  }
}

/** Whether a file in an environment's folder is its record, or a half-written one. */
export function isRecordFile(name: string): boolean {
  return name === recordName || (name.startsWith(`.${recordName}.`) && isUuid(name.slice(recordName.length + 2)));
}

export function isUuid(name: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);
}

function recordPath(store: EnvironmentStore, slug: string): string {
  return join(installDir(store, slug), recordName);
}

function locksDir(store: EnvironmentStore): string {
  return join(store.environmentsDir, locksName);
}

/** Removes a folder, unless it holds other files or is a link. */
export async function removeIfEmpty(dir: string): Promise<void> {
  try {
    await rmdir(dir);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) {
      throw fileError(`cannot remove folder '${dir}'`, error);
    }
  }
}
