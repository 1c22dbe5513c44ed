import { join } from "node:path";
import type { SkippedEntry } from "../tree/entry.ts";
import { type BuildRoot, requireBuildRoot } from "./build-root.ts";
import type { CopyRequest } from "./copy.ts";
import { makeImage, stagedFiles } from "./image.ts";
import { requireRoomFor } from "./room.ts";
import { withStaging } from "./staging.ts";
import {
  type IndexEntry,
  imageKey,
  imagePathOf,
  linkImage,
  pruneSeeds,
  publishImage,
  readIndex,
  useImage,
  writeIndex,
} from "./store.ts";

/** The place of an image, and its limits. */
export interface ImageOptions extends BuildRoot {
  readonly seedsDir: string;
  /** Size of the workspace's disk in `bytes` */
  readonly imageBytes: number;
  /** Path that gets a hard link to the image, which pruning cannot remove. It must not exist */
  readonly linkTo?: string;
  /** Limit for all images together in `bytes`, above which the least recently used are removed */
  readonly budgetBytes?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (step: string) => void;
}

export interface PreparedSeed {
  /** Path in the store, from which another process can prune it */
  readonly imagePath: string;
  /** Names the image by its content */
  readonly digest: string;
  readonly entryCount: number;
  /** Length of all its files in `bytes` */
  readonly bytesWritten: number;
  /** Entries of the source that are not in the image */
  readonly skipped: readonly SkippedEntry[];
  readonly reused: boolean;
}

/** A tree in the staging folder, ready to become an image. */
export interface Copied {
  readonly digest: string;
  /** Key for the next look-up; absent if the source can still have changed unnoticed */
  readonly indexedAs: string | undefined;
  readonly entryCount: number;
  readonly contentBytes: number;
  readonly skipped: readonly SkippedEntry[];
}

/** A request for an image. */
export interface Construction {
  readonly options: ImageOptions;
  /** Its source for messages: `directory '/home/me/project'` */
  readonly what: string;
  readonly key: string;
  /** Disk space for its content in `bytes`, if known before the copy */
  readonly diskBytes: number;
  copy(to: CopyRequest): Promise<Copied>;
}

/** Uses the image of the source with this key, if it still exists. */
export async function reuse(options: ImageOptions, key: string): Promise<PreparedSeed | undefined> {
  const { seedsDir, imageBytes, linkTo } = options;
  const entry = await readIndex(seedsDir, key);
  if (!entry || !(await useImage(seedsDir, entry.image, imageBytes, linkTo))) return undefined;
  return found(options, entry);
}

/** Makes the image under a lock, unless one of the same content exists. */
export async function construct(construction: Construction): Promise<PreparedSeed> {
  const { options, what, key, diskBytes } = construction;
  const { seedsDir, searchPath, uid, signal, onProgress } = options;
  const failure = failureOf(what);
  const root = { searchPath, uid };
  // The tree takes disk space twice, as files and in the image.
  await requireRoomFor(failure, seedsDir, 2 * diskBytes);
  await requireBuildRoot(root, signal);
  const onWait = (holder: string) => onProgress?.(`waiting for ${holder}`);
  const staging = { seedsDir, key, purpose: `preparing ${what}`, root, signal, onWait };
  const prepared = await withStaging(staging, async (stagingDir) => {
    const madeMeanwhile = await reuse(options, key);
    if (madeMeanwhile) return madeMeanwhile;
    onProgress?.("copying");
    const copied = await construction.copy({ root, stagingDir, failure, signal });
    return (await reuseContent(options, copied)) ?? (await makeNew(construction, stagingDir, copied));
  });
  if (options.budgetBytes !== undefined) await pruneSeeds(seedsDir, options.budgetBytes, prepared.digest);
  return prepared;
}

/** The beginning of messages: `cannot prepare directory '/home/me/project'`. */
export function failureOf(what: string): string {
  return `cannot prepare ${what}`;
}

/** Uses the image of a tree with the same content. */
async function reuseContent(options: ImageOptions, copied: Copied): Promise<PreparedSeed | undefined> {
  const { seedsDir, imageBytes, linkTo } = options;
  const image = imageKey(copied.digest, imageBytes);
  if (!(await useImage(seedsDir, image, imageBytes, linkTo))) return undefined;
  return remember(options, image, copied);
}

async function makeNew({ options, what }: Construction, stagingDir: string, copied: Copied): Promise<PreparedSeed> {
  const { seedsDir, searchPath, uid, imageBytes, linkTo, signal, onProgress } = options;
  onProgress?.("making the disk image");
  await makeImage({ root: { searchPath, uid }, stagingDir, imageBytes, failure: failureOf(what), signal });
  const image = imageKey(copied.digest, imageBytes);
  const stagedPath = join(stagingDir, stagedFiles.image);
  // Before other processes know of it and can prune it.
  if (linkTo !== undefined) await linkImage(stagedPath, linkTo);
  await publishImage(seedsDir, image, stagedPath);
  return { ...(await remember(options, image, copied)), reused: false };
}

/** Records the source of an image, to find it again. */
async function remember(options: ImageOptions, image: string, copied: Copied): Promise<PreparedSeed> {
  const { indexedAs, entryCount, contentBytes, skipped } = copied;
  const entry = { image, entryCount, contentBytes, skipped: [...skipped] };
  if (indexedAs !== undefined) await writeIndex(options.seedsDir, indexedAs, entry);
  return found(options, entry);
}

function found({ seedsDir }: ImageOptions, { image, entryCount, contentBytes, skipped }: IndexEntry): PreparedSeed {
  const imagePath = imagePathOf(seedsDir, image);
  return { imagePath, digest: `sha256:${image}`, entryCount, bytesWritten: contentBytes, skipped, reused: true };
}
