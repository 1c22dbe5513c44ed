import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, open, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { PyroError, systemErrorCode } from "../core/errors.ts";
import { checkWire } from "../core/wire-case.ts";
import { type CacheItem, removeLeastRecentlyUsed } from "../host/cache-budget.ts";
import { saysDiskFull } from "../host/disk-space.ts";
import { syncFile, syncFolder } from "../host/durable.ts";
import { ensureDir, fileError, freeSomeSpace, namesIn, pathExists, readRecord, writeFact } from "../host/files.ts";
import { capture } from "../host/process.ts";
import { imageFormatVersion } from "./image.ts";

/**
 * Errors of `link` if a second name is impossible: across file systems, on one without links, or
 * above the limit of links
 */
const linklessCodes = ["EXDEV", "EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];
const imageSuffix = ".ext4";
const copyTimeoutMs = 30 * 60_000;
/** Limit for index entries, above which the oldest are removed */
const maxIndexEntries = 4096;

const indexEntrySchema = z.object({
  formatVersion: z.literal(1),
  /** The image of the source with this key */
  image: z.string().regex(/^[0-9a-f]{64}$/),
  entryCount: z.number(),
  contentBytes: z.number(),
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
});
checkWire(indexEntrySchema, "seed index entry");
export type IndexEntry = Omit<z.output<typeof indexEntrySchema>, "formatVersion">;

export interface StoredSeed extends CacheItem {
  /** The same as in `PreparedSeed` */
  readonly digest: string;
  readonly imagePath: string;
}

/** Key of an image by its content and the way it is made. */
export function imageKey(contentDigest: string, imageBytes: number): string {
  return hashOf("image", contentDigest, String(imageBytes));
}

/** Key of an image's source, without reading its content. */
export function indexKey(stamp: string, imageBytes: number): string {
  return hashOf("index", stamp, String(imageBytes));
}

function hashOf(...parts: readonly string[]): string {
  const hash = createHash("sha256").update(`seed-${imageFormatVersion}`);
  for (const part of parts) hash.update(`\0${part}`);
  return hash.digest("hex");
}

export function imagePathOf(seedsDir: string, key: string): string {
  return join(seedsDir, "images", `${key}${imageSuffix}`);
}

export async function readIndex(seedsDir: string, key: string): Promise<IndexEntry | undefined> {
  const read = await readRecord(indexPath(seedsDir, key), indexEntrySchema);
  return read.status === "ok" ? read.record : undefined;
}

export async function writeIndex(seedsDir: string, key: string, entry: IndexEntry): Promise<void> {
  await writeFact(indexPath(seedsDir, key), indexEntrySchema, { formatVersion: 1, ...entry });
}

function indexPath(seedsDir: string, key: string): string {
  return join(seedsDir, "index", `${key}.json`);
}

/**
 * Links an image of the store, if it exists, and records the use. Pruning cannot remove a linked
 * image, only the store's own name of it.
 */
export async function useImage(
  seedsDir: string,
  key: string,
  imageBytes: number,
  linkTo: string | undefined,
): Promise<boolean> {
  const path = imagePathOf(seedsDir, key);
  try {
    if ((await stat(path)).size !== imageBytes) {
      await rm(path, { force: true });
      return false;
    }
    const now = new Date();
    await utimes(path, now, now);
    if (linkTo !== undefined) await linkImage(path, linkTo);
    return true;
  } catch (error) {
    // Another process has just pruned it.
    if (systemErrorCode(error) === "ENOENT") return false;
    throw error instanceof PyroError ? error : fileError(`cannot use '${path}'`, error);
  }
}

/** Puts a complete image into the store, unless another process was faster. */
export async function publishImage(seedsDir: string, key: string, stagedPath: string): Promise<void> {
  const path = imagePathOf(seedsDir, key);
  const dir = join(seedsDir, "images");
  await ensureDir(dir);
  try {
    await link(stagedPath, path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EEXIST") return;
    if (!linklessCodes.includes(code ?? "")) throw fileError(`cannot store disk image '${path}'`, error);
    await rename(stagedPath, path);
  }
  await syncFolder(dir);
}

/** Links an image to a second name, or copies it if a link is impossible. */
export async function linkImage(imagePath: string, linkTo: string): Promise<void> {
  try {
    await link(imagePath, linkTo);
  } catch (error) {
    const code = systemErrorCode(error) ?? "";
    if (code === "EEXIST") {
      throw new PyroError("already_exists", `cannot make disk image '${linkTo}': it exists already`, {
        hint: "Choose another path, or remove what is there.",
        cause: error,
      });
    }
    if (code === "ENOENT" && !(await pathExists(imagePath))) throw error;
    if (!linklessCodes.includes(code)) {
      throw fileError(`cannot make disk image '${linkTo}'`, error);
    }
    await copyImage(imagePath, linkTo);
  }
}

/** The image is opened first, so that pruning cannot take it away. */
async function copyImage(imagePath: string, linkTo: string): Promise<void> {
  await using image = await open(imagePath, "r");
  const command = ["cp", "--sparse=always", "--reflink=auto", "/proc/self/fd/3", linkTo] as const;
  try {
    // Takes the name, which must be new.
    await copyFile("/dev/null", linkTo, constants.COPYFILE_EXCL);
    const { exitCode, stderr } = await capture(command, { timeoutMs: copyTimeoutMs, extraFds: [image.fd] });
    if (exitCode === 0) return await syncFile(linkTo);
    throw new PyroError(
      saysDiskFull(stderr) ? "resource_exhausted" : "internal",
      `cannot make disk image '${linkTo}': ${stderr.trim().split("\n").at(-1) ?? ""}`,
      { hint: freeSomeSpace },
    );
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") await rm(linkTo, { force: true });
    throw error instanceof PyroError ? error : fileError(`cannot make disk image '${linkTo}'`, error);
  }
}

export async function listSeeds(seedsDir: string): Promise<readonly StoredSeed[]> {
  const seeds: StoredSeed[] = [];
  for (const name of await namesIn(join(seedsDir, "images"))) {
    const key = keyOf(name, imageSuffix);
    if (key === undefined) continue;
    const imagePath = imagePathOf(seedsDir, key);
    const stats = await stat(imagePath).catch(() => undefined);
    // Another process may have removed it since it was listed.
    if (!stats) continue;
    const seed = { digest: `sha256:${key}`, imagePath, allocatedBytes: stats.blocks * 512, lastUsedMs: stats.mtimeMs };
    seeds.push(seed);
  }
  return seeds;
}

/**
 * Removes the least recently used images until the rest fits. `keep` and images that workspaces
 * have linked stay.
 */
export async function pruneSeeds(seedsDir: string, budgetBytes: number, keep?: string): Promise<readonly StoredSeed[]> {
  const removed = await removeLeastRecentlyUsed(await listSeeds(seedsDir), {
    budgetBytes,
    isKept: ({ digest }) => digest === keep,
    remove: ({ imagePath }) => rm(imagePath, { force: true }),
  });
  await pruneIndex(seedsDir);
  return removed;
}

/** Removes entries of missing images, and the oldest above the limit. */
async function pruneIndex(seedsDir: string): Promise<void> {
  const images = new Set((await listSeeds(seedsDir)).map(({ digest }) => digest));
  const kept: { readonly path: string; readonly writtenMs: number }[] = [];
  for (const name of await namesIn(join(seedsDir, "index"))) {
    const key = keyOf(name, ".json");
    if (key === undefined) continue;
    const path = indexPath(seedsDir, key);
    const entry = await readIndex(seedsDir, key);
    const stats = await stat(path).catch(() => undefined);
    if (!entry || !stats || !images.has(`sha256:${entry.image}`)) await rm(path, { force: true });
    else kept.push({ path, writtenMs: stats.mtimeMs });
  }
  const byAge = kept.toSorted((a, b) => b.writtenMs - a.writtenMs);
  for (const { path } of byAge.slice(maxIndexEntries)) await rm(path, { force: true });
}

function keyOf(name: string, suffix: string): string | undefined {
  const key = name.endsWith(suffix) ? name.slice(0, -suffix.length) : "";
  return /^[0-9a-f]{64}$/.test(key) ? key : undefined;
}
