import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../core/errors.ts";
import { type RecordRead, readRecord, writeRecord } from "../host/files.ts";
import type { Layout } from "../host/layout.ts";
import { type LockRequest, withLock } from "../host/lock.ts";
import { type EnvironmentRecord, environmentRecordSchema } from "./record.ts";

/**
 * The folder of installed environments: `NAME/environment.json`, the files they name in `blobs/sha256/HEX`, and `staging/NAME/…` for work
 * in progress.
 */
export type EnvironmentStore = Pick<Layout, "environmentsDir" | "locksDir">;

const storeLockTimeoutMs = 60_000;

const stagingName = "staging";
const blobsName = "blobs";

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

/** Held for moments: while files enter or leave the store, so that none goes between its arrival and the record that names it. */
export function withStoreLock<T>(
  { locksDir }: EnvironmentStore,
  { purpose, signal }: { readonly purpose: string; readonly signal?: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  return withLock({ dir: locksDir, name: "environments", purpose, timeoutMs: storeLockTimeoutMs, signal }, work);
}

/** Held by whoever builds, replaces or removes one environment. */
export function withEnvironmentLock<T>(
  { locksDir }: EnvironmentStore,
  slug: string,
  options: Omit<LockRequest, "dir" | "name">,
  work: () => Promise<T>,
): Promise<T> {
  return withLock({ dir: locksDir, name: `environment-${slug}`, ...options }, work);
}

/** The environments, as file names, that the store holds something of. */
export async function storedSlugs(store: EnvironmentStore): Promise<string[]> {
  const names = await namesIn(store.environmentsDir);
  return names.filter((name) => name !== stagingName && name !== blobsName).toSorted();
}

function recordPath(store: EnvironmentStore, slug: string): string {
  return join(installDir(store, slug), "environment.json");
}

/** Names in a folder; none when it does not exist. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw error;
  }
}
