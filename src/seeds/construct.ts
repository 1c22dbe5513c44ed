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

/** Where an image goes, and how. */
export interface ImageOptions extends BuildRoot {
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

/** Something copied into the staging folder, of which the image is to be made. */
export interface Copied {
  readonly digest: string;
  /** Where the image is looked up the next time, unless its source may still have changed unnoticed */
  readonly indexedAs: string | undefined;
  readonly entryCount: number;
  readonly contentBytes: number;
  readonly skipped: readonly SkippedEntry[];
}

/** What is to be made, by whom it is asked for. */
export interface Construction {
  readonly options: ImageOptions;
  /** For errors and for those who wait: `directory '/home/me/project'` */
  readonly what: string;
  readonly key: string;
  /** What its content takes, as far as it is known before it is copied */
  readonly diskBytes: number;
  copy(to: CopyRequest): Promise<Copied>;
}

/** Uses the image that was made of what has this key, if it is still there. */
export async function reuse(options: ImageOptions, key: string): Promise<PreparedSeed | undefined> {
  const { seedsDir, imageBytes, linkTo } = options;
  const entry = await readIndex(seedsDir, key);
  if (!entry || !(await useImage(seedsDir, entry.image, imageBytes, linkTo))) return undefined;
  return found(options, entry);
}

/** Makes the image, while nobody else makes the same, unless there is one of the same content. */
export async function construct(construction: Construction): Promise<PreparedSeed> {
  const { options, what, key, diskBytes } = construction;
  const { seedsDir, searchPath, uid, signal, onProgress } = options;
  const failure = failureOf(what);
  const root = { searchPath, uid };
  // The tree is on the disk twice, as files and in the image.
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

/** What an error says first: `cannot prepare directory '/home/me/project'`. */
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
  // Before others know of it and may prune it
  if (linkTo !== undefined) await linkImage(stagedPath, linkTo);
  await publishImage(seedsDir, image, stagedPath);
  return { ...(await remember(options, image, copied)), reused: false };
}

/** Lets the image be found by what it was made of. */
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
