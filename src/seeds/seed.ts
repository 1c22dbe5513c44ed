import { realpath, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { messageOf, PyroError, systemErrorCode } from "../core/errors.ts";
import { ensureDir } from "../host/files.ts";
import { readArchive } from "../trees/archive.ts";
import type { SkippedEntry } from "../trees/entry.ts";
import { scanDirectory, type TreeScan } from "../trees/scan.ts";
import { type BuildRoot, removeAsRoot, requireBuildRoot } from "./build-root.ts";
import { type CopiedTree, type CopyRequest, copyArchive, copyDirectory, copyNothing } from "./copy.ts";
import { makeImage, stagedFiles } from "./image.ts";
import { archiveStampKey, isSettled } from "./racy-stamp.ts";
import { requireRoomFor } from "./room.ts";
import { withStaging } from "./staging.ts";
import {
  type IndexEntry,
  imageKey,
  imagePathOf,
  indexKey,
  linkImage,
  pruneSeeds,
  publishImage,
  readIndex,
  useImage,
  writeIndex,
} from "./store.ts";

export type SeedSource =
  | { readonly kind: "empty" }
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "archive"; readonly path: string };

export interface SeedRequest extends BuildRoot {
  readonly source: SeedSource;
  readonly seedsDir: string;
  /** Size of the workspace's disk */
  readonly imageBytes: number;
  /** Gets the image, as another name of it: pruning cannot take it away; nothing may be there */
  readonly linkTo?: string;
  /** What all images together may take of the disk; the least recently used go */
  readonly budgetBytes?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (step: string) => void;
}

export interface PreparedSeed {
  /** In the store, where it can be pruned at any time */
  readonly imagePath: string;
  /** Names the image by its content */
  readonly digest: string;
  readonly entryCount: number;
  /** Length of all files in it, the same whether it was made now or before */
  readonly bytesWritten: number;
  /** What is in the source but not in the image */
  readonly skipped: readonly SkippedEntry[];
  readonly reused: boolean;
}

/** A tree may change this often while it is copied before that is given up. */
const maxCopies = 2;

/** A request that is under way */
interface Build {
  readonly request: SeedRequest;
  /** What an error says first: `cannot prepare directory '/home/me/project'` */
  readonly failure: string;
}

/** Something copied into the staging folder, of which the image is to be made */
interface Copied {
  readonly digest: string;
  /** Where the image is looked up the next time, unless its source may still have changed unnoticed */
  readonly indexedAs: string | undefined;
  readonly entryCount: number;
  readonly contentBytes: number;
  readonly skipped: readonly SkippedEntry[];
}

/** What a path on this host is as a source. */
export async function seedSourceOf(path: string): Promise<SeedSource> {
  try {
    return { kind: (await stat(path)).isDirectory() ? "directory" : "archive", path };
  } catch (error) {
    const isMissing = ["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "");
    const reason = isMissing ? "it is not there" : messageOf(error);
    throw new PyroError(isMissing ? "not_found" : "failed_precondition", `cannot read seed '${path}': ${reason}`, {
      hint: "Give the path of a directory or of a .tar, .tar.gz or .tgz file.",
      cause: error,
    });
  }
}

/** Finds the disk image of a tree, or makes it: without reading any content if nothing was changed since. */
export async function prepareSeed(request: SeedRequest): Promise<PreparedSeed> {
  const { source } = request;
  await ensureDir(request.seedsDir);
  switch (source.kind) {
    case "empty":
      return prepareEmpty({ request, failure: "cannot prepare an empty disk" });
    case "directory":
      return prepareDirectory({ request, failure: `cannot prepare directory '${source.path}'` }, source.path);
    case "archive":
      return prepareArchive({ request, failure: `cannot prepare archive '${source.path}'` }, source.path);
  }
}

async function prepareEmpty(build: Build): Promise<PreparedSeed> {
  const { imageBytes } = build.request;
  const key = indexKey("empty", imageBytes);
  const copy = async (to: CopyRequest): Promise<Copied> => {
    await copyNothing(to);
    return { digest: "empty", indexedAs: key, entryCount: 1, contentBytes: 0, skipped: [] };
  };
  return (await reuse(build, key)) ?? construct(build, { key, diskBytes: 0, copy });
}

async function prepareDirectory(build: Build, path: string): Promise<PreparedSeed> {
  const { request, failure } = build;
  const { signal, imageBytes, onProgress } = request;
  await requireOutside(request.seedsDir, path, failure);
  onProgress?.("reading the directory");
  const scan = await scanDirectory(path, { signal });
  const key = indexKey(scan.stampKey, imageBytes);
  const copy = (to: CopyRequest) => copySettled(to, resolve(path), scan, request);
  const { diskBytes, skipped, entryCount } = scan;
  const reused = await reuse(build, key);
  return reused ? { ...reused, skipped, entryCount } : construct(build, { key, diskBytes, copy });
}

/** Copies a directory at one moment of it: what is the same after the copy was the same all the while. */
async function copySettled(to: CopyRequest, path: string, first: TreeScan, request: SeedRequest): Promise<Copied> {
  const { signal, imageBytes } = request;
  let scan = first;
  let copied: CopiedTree | undefined;
  for (let attempt = 1; attempt <= maxCopies; attempt += 1) {
    if (attempt > 1) await removeAsRoot(to.root, join(to.stagingDir, stagedFiles.fileSystem));
    const startedMs = Date.now();
    copied = await copyDirectory(to, path, scan);
    const after = await scanDirectory(path, { signal });
    if (copied.isWhole && after.stampKey === scan.stampKey) {
      const indexedAs = isSettled(scan.newestChangeMs, startedMs) ? indexKey(scan.stampKey, imageBytes) : undefined;
      const { entryCount, contentBytes, skipped } = scan;
      return { digest: copied.digest, indexedAs, entryCount, contentBytes, skipped };
    }
    if (after.stampKey === scan.stampKey) throw new PyroError("internal", `${to.failure}: ${copied.problem}`);
    scan = after;
  }
  throw new PyroError("failed_precondition", `${to.failure}: the tree keeps changing while it is read`, {
    hint: "Try again when nothing writes to the directory.",
  });
}

async function prepareArchive(build: Build, path: string): Promise<PreparedSeed> {
  const { signal, imageBytes, onProgress } = build.request;
  const key = indexKey(await archiveStampKey(path), imageBytes);
  const reused = await reuse(build, key);
  if (reused) return reused;
  onProgress?.("checking the archive");
  const startedMs = Date.now();
  const archive = await readArchive(path, { signal });
  const { diskBytes, entryCount, contentBytes, skipped, stamp } = archive;
  const copy = async (to: CopyRequest): Promise<Copied> => {
    const { digest } = await copyArchive(to, archive);
    const isFixed = isSettled(Number(BigInt(stamp.ctimeNs) / 1_000_000n) + 1, startedMs);
    return { digest, indexedAs: isFixed ? key : undefined, entryCount, contentBytes, skipped };
  };
  return construct(build, { key, diskBytes, copy });
}

/** Uses the image that was made of what has this key, if it is still there. */
async function reuse({ request }: Build, key: string): Promise<PreparedSeed | undefined> {
  const { seedsDir, imageBytes, linkTo } = request;
  const entry = await readIndex(seedsDir, key);
  if (!entry || !(await useImage(seedsDir, entry.image, imageBytes, linkTo))) return undefined;
  return found(request, entry);
}

function found({ seedsDir }: SeedRequest, { image, entryCount, contentBytes, skipped }: IndexEntry): PreparedSeed {
  const imagePath = imagePathOf(seedsDir, image);
  return { imagePath, digest: `sha256:${image}`, entryCount, bytesWritten: contentBytes, skipped, reused: true };
}

interface Construction {
  readonly key: string;
  readonly diskBytes: number;
  copy(to: CopyRequest): Promise<Copied>;
}

async function construct(build: Build, { key, diskBytes, copy }: Construction): Promise<PreparedSeed> {
  const { request, failure } = build;
  const { seedsDir, searchPath, uid, signal, onProgress } = request;
  const root = { searchPath, uid };
  await requireRoomFor(failure, seedsDir, diskBytes);
  await requireBuildRoot(root, signal);
  const purpose =
    request.source.kind === "empty" ? "making an empty disk" : `making a disk of '${request.source.path}'`;
  const onWait = (holder: string) => onProgress?.(`waiting for ${holder}`);
  const prepared = await withStaging({ seedsDir, key, purpose, root, signal, onWait }, async (stagingDir) => {
    const madeMeanwhile = await reuse(build, key);
    if (madeMeanwhile) return madeMeanwhile;
    onProgress?.("copying");
    const copied = await copy({ root, stagingDir, failure, signal });
    return (await reuseContent(build, copied)) ?? (await makeNew(build, stagingDir, copied));
  });
  if (request.budgetBytes !== undefined) await pruneSeeds(seedsDir, request.budgetBytes, prepared.digest);
  return prepared;
}

/** Uses the image of a tree with the same content. */
async function reuseContent({ request }: Build, copied: Copied): Promise<PreparedSeed | undefined> {
  const { seedsDir, imageBytes, linkTo } = request;
  const image = imageKey(copied.digest, imageBytes);
  if (!(await useImage(seedsDir, image, imageBytes, linkTo))) return undefined;
  const entry = entryFor(image, copied);
  if (copied.indexedAs !== undefined) await writeIndex(seedsDir, copied.indexedAs, entry);
  return found(request, entry);
}

async function makeNew({ request, failure }: Build, stagingDir: string, copied: Copied): Promise<PreparedSeed> {
  const { seedsDir, searchPath, uid, imageBytes, linkTo, signal, onProgress } = request;
  onProgress?.("making the disk image");
  await makeImage({ root: { searchPath, uid }, stagingDir, imageBytes, failure, signal });
  const image = imageKey(copied.digest, imageBytes);
  const stagedPath = join(stagingDir, stagedFiles.image);
  // Before others know of it and may prune it
  if (linkTo !== undefined) await linkImage(stagedPath, linkTo);
  await publishImage(seedsDir, image, stagedPath);
  const entry = entryFor(image, copied);
  if (copied.indexedAs !== undefined) await writeIndex(seedsDir, copied.indexedAs, entry);
  return { ...found(request, entry), reused: false };
}

function entryFor(image: string, { entryCount, contentBytes, skipped }: Copied): IndexEntry {
  return { image, entryCount, contentBytes, skipped: [...skipped] };
}

/** A directory that pyro itself writes into would never hold still. */
async function requireOutside(seedsDir: string, path: string, failure: string): Promise<void> {
  const [source, store] = await Promise.all([realpath(path).catch(() => undefined), realpath(seedsDir)]);
  if (source === undefined || !`${store}${sep}`.startsWith(source === sep ? sep : `${source}${sep}`)) return;
  throw new PyroError("invalid_argument", `${failure}: pyro's own cache '${store}' is in it`, {
    hint: "Choose a directory without it, or set PYRO_CACHE_DIR to a folder outside of it.",
  });
}
