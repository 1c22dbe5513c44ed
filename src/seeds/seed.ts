import { realpath } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { PyroError } from "../core/errors.ts";
import { ensureDir } from "../host/files.ts";
import { lookAtNamed, namedError, oddKind } from "../host/named/look.ts";
import { archiveNames } from "../tree/archive/format.ts";
import { readArchive } from "../tree/archive/read.ts";
import { type PathList, scanListed } from "../tree/scan/listed-scan.ts";
import { scanDirectory } from "../tree/scan/scan.ts";
import type { ScanOptions, TreeScan } from "../tree/scan/tree-scan.ts";
import { requirePlausibleArchive } from "./archive-size.ts";
import { removeAsRoot } from "./build-root.ts";
import { type Copied, construct, failureOf, type ImageOptions, type PreparedSeed, reuse } from "./construct.ts";
import { baseDir, type CopiedTree, type CopyRequest, copyArchive, copyDirectory, copyNothing } from "./copy.ts";
import { stagedFiles } from "./image.ts";
import { archiveStampKey, isSettled } from "./racy-stamp.ts";
import { requireRoomFor } from "./room.ts";
import { indexKey } from "./store.ts";

/** A source on this host, by its path. */
export interface PathSource {
  readonly kind: "directory" | "archive";
  readonly path: string;
}

/** A source that a user names: none, or a path on this host. */
export type NamedSource = { readonly kind: "empty" } | PathSource;

/** Some files of a directory, listed when they are needed. */
export interface ListedSource {
  readonly kind: "listed";
  readonly path: string;
  list(options: { readonly signal?: AbortSignal | undefined }): Promise<PathList>;
}

/** A tree that is made if it has no image yet. */
export interface GeneratedSource {
  readonly kind: "generated";
  /** For messages: `clone 'https://example.com/project.git'` */
  readonly what: string;
  /** Equal for trees with the same content */
  readonly identity: string;
  /** Fills an empty directory, which is removed if this fails */
  generate(dir: string, options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

export type SeedSource = NamedSource | ListedSource | GeneratedSource;

export interface SeedRequest extends ImageOptions {
  readonly source: SeedSource;
}

/** Number of attempts to copy a tree that changes during the copy */
const maxCopies = 2;

/** The kind of source at a path that a user named. */
export async function seedSourceOf(path: string, signal?: AbortSignal): Promise<PathSource> {
  const hint = `Give the path of a directory or of a ${archiveNames} file.`;
  const look = { action: "cannot read seed", hint, signal };
  const stats = await lookAtNamed(path, look);
  if (stats.isDirectory()) return { kind: "directory", path };
  const kind = oddKind(stats);
  if (kind !== undefined) throw namedError(path, look, "invalid_argument", `it is ${kind}`);
  await requirePlausibleArchive(path, stats.size);
  return { kind: "archive", path };
}

/**
 * Finds the disk image of a tree, or makes it. It reads no content if the tree has not changed
 * since.
 */
export async function prepareSeed({ source, ...options }: SeedRequest): Promise<PreparedSeed> {
  await ensureDir(options.seedsDir);
  switch (source.kind) {
    case "empty":
      return prepareEmpty(options);
    case "directory":
      return prepareDirectory(options, source.path);
    case "listed":
      return prepareListed(options, source);
    case "generated":
      return prepareGenerated(options, source);
    case "archive":
      return prepareArchive(options, source.path);
  }
}

async function prepareEmpty(options: ImageOptions): Promise<PreparedSeed> {
  const key = indexKey("empty", options.imageBytes);
  const copy = async (to: CopyRequest): Promise<Copied> => {
    await copyNothing(to);
    return { digest: "empty", indexedAs: key, entryCount: 1, contentBytes: 0, skipped: [] };
  };
  return (await reuse(options, key)) ?? construct({ options, what: "an empty disk", key, diskBytes: 0, copy });
}

async function prepareDirectory(options: ImageOptions, path: string): Promise<PreparedSeed> {
  await requireOutside(options.seedsDir, path, failureOf(directoryName(path)));
  return prepareScanned(options, path, (scanOptions) => scanDirectory(path, scanOptions));
}

async function prepareListed(options: ImageOptions, { path, list }: ListedSource): Promise<PreparedSeed> {
  return prepareScanned(options, path, async (scanOptions) => scanListed(path, await list(scanOptions), scanOptions));
}

/** Scans a directory. */
type Scan = (options: ScanOptions) => Promise<TreeScan>;

async function prepareScanned(options: ImageOptions, path: string, scanNow: Scan): Promise<PreparedSeed> {
  const { signal, imageBytes, onProgress } = options;
  onProgress?.("reading the directory");
  const scan = await scanNow({ signal });
  const key = indexKey(scan.stampKey, imageBytes);
  const { diskBytes, skipped, entryCount } = scan;
  const copy = async (to: CopyRequest): Promise<Copied> => {
    const { scan: last, digest, startedMs } = await copySettled(to, resolve(path), scan, scanNow);
    const indexedAs = isSettled(last.newestChangeMs, startedMs) ? indexKey(last.stampKey, imageBytes) : undefined;
    return { digest, indexedAs, entryCount: last.entryCount, contentBytes: last.contentBytes, skipped: last.skipped };
  };
  const reused = await reuse(options, key);
  if (reused) return { ...reused, skipped, entryCount };
  return construct({ options, what: directoryName(path), key, diskBytes, copy });
}

interface SettledCopy {
  readonly scan: TreeScan;
  readonly digest: string;
  /** Time at which its reading began */
  readonly startedMs: number;
}

/**
 * Copies a directory as it is at one moment. If a scan after the copy finds it the same, it was the
 * same all the while.
 */
async function copySettled(to: CopyRequest, path: string, first: TreeScan, scanNow: Scan): Promise<SettledCopy> {
  let scan = first;
  let copied: CopiedTree | undefined;
  for (let attempt = 1; attempt <= maxCopies; attempt += 1) {
    if (attempt > 1) await removeAsRoot(to.root, join(to.stagingDir, stagedFiles.fileSystem));
    const startedMs = Date.now();
    copied = await copyDirectory(to, path, scan);
    const after = await scanNow({ signal: to.signal });
    if (copied.isWhole && after.stampKey === scan.stampKey) return { scan, digest: copied.digest, startedMs };
    if (after.stampKey === scan.stampKey) throw new PyroError("internal", `${to.failure}: ${copied.problem}`);
    scan = after;
  }
  throw new PyroError("failed_precondition", `${to.failure}: the tree keeps changing while it is read`, {
    hint: "Try again when nothing writes to the directory.",
  });
}

async function prepareGenerated(options: ImageOptions, source: GeneratedSource): Promise<PreparedSeed> {
  const key = indexKey(`generated ${source.identity}`, options.imageBytes);
  const copy = async (to: CopyRequest): Promise<Copied> => {
    const dir = join(to.stagingDir, baseDir);
    await copyNothing(to);
    await source.generate(dir, { signal: to.signal });
    const { diskBytes, entryCount, contentBytes, skipped } = await scanDirectory(dir, { signal: to.signal });
    // The copy exists already, and the image comes next.
    await requireRoomFor(to.failure, options.seedsDir, diskBytes);
    return { digest: `generated ${source.identity}`, indexedAs: key, entryCount, contentBytes, skipped };
  };
  return (await reuse(options, key)) ?? construct({ options, what: source.what, key, diskBytes: 0, copy });
}

async function prepareArchive(options: ImageOptions, path: string): Promise<PreparedSeed> {
  const { signal, imageBytes, onProgress } = options;
  const key = indexKey(await archiveStampKey(path), imageBytes);
  const reused = await reuse(options, key);
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
  return construct({ options, what: `archive '${path}'`, key, diskBytes, copy });
}

function directoryName(path: string): string {
  return `directory '${path}'`;
}

/** Refuses a directory that pyro itself writes to, which would change with every copy. */
async function requireOutside(seedsDir: string, path: string, failure: string): Promise<void> {
  const [source, store] = await Promise.all([realpath(path).catch(() => undefined), realpath(seedsDir)]);
  if (source === undefined || !`${store}${sep}`.startsWith(source === sep ? sep : `${source}${sep}`)) return;
  throw new PyroError("invalid_argument", `${failure}: pyro's own cache '${store}' is in it`, {
    hint: "Choose a directory without it, or set PYRO_CACHE_DIR to a folder outside of it.",
  });
}
