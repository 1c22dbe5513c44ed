import { chmod, open, rename, rm } from "node:fs/promises";
import { throwIfCancelled } from "../core/deadline.ts";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import { type Volume, volumeOf } from "../host/disk-space.ts";
import { syncFolder } from "../host/durable.ts";
import { digestFile, ensureDir, fileError, stampFile } from "../host/files.ts";
import type { BuildPhase, BuiltEnvironment, EnvironmentBuilder } from "./builder.ts";
import { type CatalogEntry, catalogVersion } from "./catalog.ts";
import { type BlobRecord, digestOf, type EnvironmentRecord } from "./record.ts";
import { requireRoom } from "./room.ts";
import { createStaging, sweepStaging } from "./staging.ts";
import { type BootableEnvironment, bootable, examine } from "./store.ts";
import {
  blobPath,
  blobsDir,
  type EnvironmentStore,
  slugOf,
  withEnvironmentLock,
  withStoreLock,
  writeEnvironment,
} from "./store-layout.ts";

/** Limit for waiting for another process's pull of the same environment */
const pullLockTimeoutMs = 75 * 60_000;

export interface EnvironmentProgress {
  readonly phase: "wait" | "check" | BuildPhase | "publish" | "done";
  readonly environment: string;
  readonly detail?: string;
}

export interface PullOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EnvironmentProgress) => void) | undefined;
}

export interface InstallRequest {
  readonly store: EnvironmentStore;
  readonly entry: CatalogEntry;
  readonly builder: EnvironmentBuilder;
  readonly volumeOf?: (path: string) => Promise<Volume>;
}

type Report = (phase: EnvironmentProgress["phase"], detail?: string) => void;

/**
 * Makes sure that an environment is in the store, and builds it if it is missing, outdated or
 * damaged. If several processes do so at once, one builds and the others wait and use the result.
 */
export async function installEnvironment(
  request: InstallRequest,
  options: PullOptions = {},
): Promise<BootableEnvironment> {
  const { store, entry } = request;
  const { signal, onProgress } = options;
  const report: Report = (phase, detail) =>
    onProgress?.({ phase, environment: entry.name, ...(detail === undefined ? {} : { detail }) });
  const reuse = async () => {
    const installation = await examine(store, entry);
    if (installation.state !== "installed") return undefined;
    report("done", "already installed");
    return bootable(store, installation.record);
  };
  throwIfCancelled(signal);
  const installed = await reuse();
  if (installed) return installed;
  const lockOptions = {
    purpose: `pulling ${entry.name}`,
    timeoutMs: pullLockTimeoutMs,
    signal,
    onWait: (holder: string) => report("wait", `waiting for ${holder}`),
  };
  return withEnvironmentLock(store, slugOf(entry.name), lockOptions, async () => {
    const pulledMeanwhile = await reuse();
    if (pulledMeanwhile) return pulledMeanwhile;
    const record = await buildAndPublish(request, { report, signal });
    report("done", "installed");
    return bootable(store, record);
  });
}

async function buildAndPublish(
  request: InstallRequest,
  { report, signal }: { readonly report: Report; readonly signal: AbortSignal | undefined },
): Promise<EnvironmentRecord> {
  const { store, entry, builder } = request;
  const slug = slugOf(entry.name);
  report("check");
  await sweepStaging(store, slug, builder);
  await requireRoom(entry.name, builder.roomFor(entry, store.environmentsDir), request.volumeOf ?? volumeOf);
  const stagingDir = await createStaging(store, slug);
  try {
    const built = await builder.build({ entry, stagingDir, onPhase: report, signal });
    throwIfCancelled(signal);
    report("publish");
    return await publish(store, entry, built, signal);
  } catch (error) {
    throw pullError(entry.name, error);
  } finally {
    await sweepStaging(store, slug, builder).catch(() => {
      // The outcome of the pull matters more, and the next pull or prune sweeps again.
    });
  }
}

function pullError(environment: string, error: unknown): PyroError {
  const translated = PyroError.from(error);
  const isSystemError = translated !== error && translated.code === "internal" && systemErrorCode(error) !== undefined;
  return isSystemError ? fileError(`cannot pull '${environment}'`, error) : translated;
}

async function publish(
  store: EnvironmentStore,
  entry: CatalogEntry,
  built: BuiltEnvironment,
  signal: AbortSignal | undefined,
): Promise<EnvironmentRecord> {
  const digests = {
    kernel: await seal(built.kernelPath, signal),
    modules: await seal(built.modulesPath, signal),
    rootImage: await seal(built.rootImagePath, signal),
  };
  return withStoreLock(store, { purpose: `publishing ${entry.name}`, signal }, async () => {
    const blobs = {
      kernel: { ...(await moveToBlobs(store, built.kernelPath, digests.kernel)), version: built.kernelVersion },
      modules: await moveToBlobs(store, built.modulesPath, digests.modules),
      rootImage: await moveToBlobs(store, built.rootImagePath, digests.rootImage),
    };
    await syncFolder(blobsDir(store));
    const record: EnvironmentRecord = {
      formatVersion: 1,
      name: entry.name,
      version: entry.version,
      catalogVersion,
      architecture: entry.architecture,
      source: built.source,
      ...blobs,
      packages: built.packages,
      builtAt: new Date().toISOString(),
      digest: digestOf(blobs),
    };
    await writeEnvironment(store, record);
    return record;
  });
}

/** Makes a file read-only and durable, and hashes it. */
async function seal(path: string, signal: AbortSignal | undefined): Promise<string> {
  await chmod(path, 0o444);
  await using file = await open(path, "r");
  await file.sync();
  return await digestFile(path, signal);
}

async function moveToBlobs(store: EnvironmentStore, path: string, digest: string): Promise<BlobRecord> {
  const target = blobPath(store, digest);
  await ensureDir(blobsDir(store));
  try {
    // Keeps an existing file that others use, unless its content is wrong.
    if ((await digestIfReadable(target)) === digest) await rm(path);
    else await rename(path, target);
    const stamp = await stampFile(target);
    return { digest, sizeBytes: stamp.sizeBytes, stamp };
  } catch (error) {
    throw fileError(`cannot store '${target}'`, error);
  }
}

/** Undefined for a file that is missing, or so damaged that it must be replaced. */
async function digestIfReadable(path: string): Promise<string | undefined> {
  return await digestFile(path).catch(() => undefined);
}
