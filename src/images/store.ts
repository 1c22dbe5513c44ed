import { messageOf, PyroError, systemErrorCode } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import { digestFile, type FileStamp, sameStamp, stampFile } from "../host/files.ts";
import { type CatalogEntry, catalogEntry } from "./catalog.ts";
import { type BlobRecord, blobRoles, type EnvironmentRecord } from "./record.ts";
import {
  blobPath,
  type EnvironmentStore,
  readEnvironment,
  slugOf,
  withStoreLock,
  writeEnvironment,
} from "./store-layout.ts";

/** An installed environment with checked files, ready for a template. */
export interface BootableEnvironment {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly kernelPath: string;
  readonly modulesPath: string;
  readonly rootImagePath: string;
}

/** State of an environment of the catalog in the store. */
export type Installation =
  | { readonly state: "not-installed" }
  | { readonly state: "damaged"; readonly reason: string }
  | { readonly state: "outdated" | "installed"; readonly record: EnvironmentRecord };

/** Finds an environment in the store; undefined if its current version is not installed. */
export async function findEnvironment(store: EnvironmentStore, name: string): Promise<BootableEnvironment | undefined> {
  const installation = await examine(store, catalogEntry(name));
  if (installation.state === "installed") return bootable(store, installation.record);
  if (installation.state !== "damaged") return undefined;
  throw new PyroError(
    "failed_precondition",
    `cannot use environment '${name}': it is damaged: ${installation.reason}`,
    {
      hint: hint`${toRun("env.pull", { environment: name })} to repair it.`,
    },
  );
}

/**
 * Tells whether an environment is installed and undamaged. It does not read files whose stamps have
 * not changed.
 */
export async function examine(store: EnvironmentStore, entry: CatalogEntry): Promise<Installation> {
  const read = await readEnvironment(store, slugOf(entry.name));
  if (read.status === "absent") return { state: "not-installed" };
  if (read.status === "unreadable") return { state: "damaged", reason: `environment.json: ${read.reason}` };
  const { record } = read;
  const stamps = new Map<string, FileStamp>();
  for (const role of blobRoles) {
    const check = await checkBlob(store, record[role]);
    if (typeof check === "string") return { state: "damaged", reason: `${role} ${check}` };
    stamps.set(record[role].digest, check);
  }
  await rememberStamps(store, record, stamps);
  return { state: record.version === entry.version ? "installed" : "outdated", record };
}

export function bootable(store: EnvironmentStore, record: EnvironmentRecord): BootableEnvironment {
  return {
    name: record.name,
    version: record.version,
    digest: record.digest,
    kernelPath: blobPath(store, record.kernel.digest),
    modulesPath: blobPath(store, record.modules.digest),
    rootImagePath: blobPath(store, record.rootImage.digest),
  };
}

/** The stamp of a correct file, or what is wrong with it. */
async function checkBlob(store: EnvironmentStore, { digest, stamp }: BlobRecord): Promise<FileStamp | string> {
  const path = blobPath(store, digest);
  try {
    const current = await stampFile(path);
    if (sameStamp(current, stamp)) return current;
    if (current.sizeBytes !== stamp.sizeBytes) return `has ${current.sizeBytes} bytes instead of ${stamp.sizeBytes}`;
    return (await digestFile(path)) === digest ? current : "was changed";
  } catch (error) {
    return systemErrorCode(error) === "ENOENT" ? "is missing" : `cannot be read: ${messageOf(error)}`;
  }
}

/**
 * Records new stamps after a cache was moved or restored. Otherwise every use would hash the files
 * again.
 */
async function rememberStamps(
  store: EnvironmentStore,
  record: EnvironmentRecord,
  stamps: ReadonlyMap<string, FileStamp>,
): Promise<void> {
  const current = (blob: BlobRecord) => stamps.get(blob.digest) ?? blob.stamp;
  if (blobRoles.every((role) => sameStamp(record[role].stamp, current(record[role])))) return;
  await withStoreLock(store, { purpose: "checking an environment" }, async () => {
    const read = await readEnvironment(store, slugOf(record.name));
    if (read.status !== "ok" || read.record.digest !== record.digest) return;
    const updated = structuredClone(read.record);
    for (const role of blobRoles) updated[role].stamp = current(updated[role]);
    await writeEnvironment(store, updated);
  }).catch(() => {
    // A read-only cache can still be used.
  });
}
