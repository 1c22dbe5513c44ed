import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { fileError, namesIn } from "../host/files.ts";
import type { EnvironmentBuilder } from "./builder.ts";
import { catalog } from "./catalog.ts";
import { debianBuilder } from "./debian/build.ts";
import type { EnvironmentContext } from "./pull.ts";
import { blobRoles } from "./record.ts";
import { stagedSlugs, sweepStaging } from "./staging.ts";
import {
  blobPath,
  type EnvironmentStore,
  installDir,
  isRecordFile,
  readEnvironment,
  removeIfEmpty,
  slugOf,
  storedDigests,
  storedSlugs,
  withEnvironmentLock,
  withStoreLock,
} from "./store-layout.ts";

/** Prune skips an environment that another process pulls */
const environmentLockTimeoutMs = 1_000;

export interface PruneOptions {
  readonly signal?: AbortSignal | undefined;
  /** Files of the store that workspaces need, even if no environment names them */
  readonly usedPaths?: ReadonlySet<string>;
}

export interface PruneResult {
  /** Removed environments, by their folder in the store */
  readonly environments: readonly string[];
  readonly blobs: readonly string[];
  /** Environments whose unfinished pulls were removed */
  readonly staging: readonly string[];
  /** Skipped, because another process pulls them */
  readonly busy: readonly string[];
  /** Size of the removed blobs in `bytes` */
  readonly freedBytes: number;
}

/**
 * Removes environments that the catalog no longer lists, files that no environment names, and what
 * killed pulls left. Everything else in the folder stays, as it may not be pyro's.
 */
export async function pruneEnvironments(context: EnvironmentContext, options: PruneOptions = {}): Promise<PruneResult> {
  return pruneStore(context.layout, debianBuilder(context), options);
}

export async function pruneStore(
  store: EnvironmentStore,
  builder: EnvironmentBuilder,
  { signal, usedPaths }: PruneOptions = {},
): Promise<PruneResult> {
  const staging: string[] = [];
  const environments: string[] = [];
  const busy: string[] = [];
  let freedBytes = 0;
  const claim = async (slug: string, work: () => Promise<void>) => {
    if (!(await whileUnclaimed(store, slug, signal, work))) busy.push(slug);
  };
  for (const slug of await stagedSlugs(store)) {
    await claim(slug, async () => {
      await sweepStaging(store, slug, builder);
      staging.push(slug);
    });
  }
  for (const slug of await storedSlugs(store)) {
    if (await isWanted(store, slug)) continue;
    await claim(slug, async () => {
      if (await isWanted(store, slug)) return;
      await uninstall(store, slug);
      environments.push(slug);
    });
  }
  const blobs = await withStoreLock(store, { purpose: "pruning environments", signal }, async () => {
    const unnamed = await unnamedBlobs(store);
    const unwanted = unnamed.filter((digest) => !usedPaths?.has(blobPath(store, digest)));
    for (const digest of unwanted) freedBytes += await removeFile(blobPath(store, digest));
    return unwanted;
  });
  return { environments, blobs, staging, busy: [...new Set(busy)], freedBytes };
}

/**
 * Whether the environment is the catalog's in its current version. An unreadable record is never
 * used again.
 */
async function isWanted(store: EnvironmentStore, slug: string): Promise<boolean> {
  const entry = catalog.find((candidate) => slugOf(candidate.name) === slug);
  const read = await readEnvironment(store, slug);
  return entry !== undefined && read.status === "ok" && read.record.version === entry.version;
}

/** Runs `work` unless another process holds the environment's lock. */
async function whileUnclaimed(
  store: EnvironmentStore,
  slug: string,
  signal: AbortSignal | undefined,
  work: () => Promise<void>,
): Promise<boolean> {
  let claimed = false;
  try {
    await withEnvironmentLock(
      store,
      slug,
      { purpose: `pruning ${slug}`, timeoutMs: environmentLockTimeoutMs, signal },
      () => {
        claimed = true;
        return work();
      },
    );
    return true;
  } catch (error) {
    if (!claimed && error instanceof PyroError && error.code === "timeout") return false;
    throw error;
  }
}

async function uninstall(store: EnvironmentStore, slug: string): Promise<void> {
  const dir = installDir(store, slug);
  const files = (await namesIn(dir)).filter(isRecordFile);
  await Promise.all(files.map((name) => rm(join(dir, name), { force: true }))).catch((error: unknown) => {
    throw fileError(`cannot remove environment '${slug}'`, error);
  });
  await removeIfEmpty(dir);
}

async function unnamedBlobs(store: EnvironmentStore): Promise<string[]> {
  const named = new Set<string>();
  for (const slug of await storedSlugs(store)) {
    const read = await readEnvironment(store, slug);
    if (read.status === "ok") for (const role of blobRoles) named.add(read.record[role].digest);
  }
  return (await storedDigests(store)).filter((digest) => !named.has(digest));
}

async function removeFile(path: string): Promise<number> {
  const { blocks } = await stat(path);
  await rm(path);
  return blocks * 512;
}
