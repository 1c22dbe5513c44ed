import { randomUUID } from "node:crypto";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { ensureDir, namesIn } from "../host/files.ts";
import { withLock } from "../host/lock.ts";
import { type BuildRoot, removeAsRoot, spreadFolders } from "./build-root.ts";

const lockTimeoutMs = 30 * 60_000;
/** How long to try for the lock of somebody else's leftovers */
const sweepLockTimeoutMs = 250;

export interface StagingRequest {
  readonly seedsDir: string;
  /** What is being built, as hexadecimal digits: only one process builds it at a time */
  readonly key: string;
  /** For those who wait: `preparing directory '/home/me/project'` */
  readonly purpose: string;
  readonly root: BuildRoot;
  readonly signal: AbortSignal | undefined;
  readonly onWait?: (holder: string) => void;
}

/**
 * Runs `work` with an empty folder while nobody else builds the same. What was left by builds that
 * were killed goes. There are 256 locks for all keys together, so that there are not ever more of
 * them.
 */
export async function withStaging<T>(request: StagingRequest, work: (stagingDir: string) => Promise<T>): Promise<T> {
  const { seedsDir, key, purpose, root, signal, onWait } = request;
  const slot = key.slice(0, 2);
  const lock = { dir: locksDir(seedsDir), name: slot, purpose, timeoutMs: lockTimeoutMs, signal };
  return withLock({ ...lock, ...(onWait ? { onWait } : {}) }, async () => {
    await sweepOthers(seedsDir, slot, root);
    await sweepSlot(seedsDir, slot, root);
    const slotDir = join(seedsDir, "staging", slot);
    await ensureDir(slotDir);
    await spreadFolders(root, slotDir);
    const stagingDir = join(slotDir, randomUUID());
    await ensureDir(stagingDir);
    try {
      return await work(stagingDir);
    } finally {
      await removeAsRoot(root, stagingDir).catch(() => {
        // Whoever builds next removes it
      });
      await removeIfEmpty(slotDir);
    }
  });
}

/** What has a lock that nobody holds was left behind. */
async function sweepOthers(seedsDir: string, ownSlot: string, root: BuildRoot): Promise<void> {
  for (const slot of await namesIn(join(seedsDir, "staging"))) {
    if (slot === ownSlot || !/^[0-9a-f]{2}$/.test(slot)) continue;
    const lock = { dir: locksDir(seedsDir), name: slot, purpose: "removing what a build left" };
    try {
      await withLock({ ...lock, timeoutMs: sweepLockTimeoutMs }, () => sweepSlot(seedsDir, slot, root));
    } catch (error) {
      // Somebody is building there
      if (!(error instanceof PyroError) || error.code !== "timeout") throw error;
    }
  }
}

async function sweepSlot(seedsDir: string, slot: string, root: BuildRoot): Promise<void> {
  const dir = join(seedsDir, "staging", slot);
  for (const name of await namesIn(dir)) {
    await removeAsRoot(root, join(dir, name)).catch(() => {
      // Another user's, perhaps; nothing needs its name
    });
  }
  await removeIfEmpty(dir);
}

async function removeIfEmpty(dir: string): Promise<void> {
  await rmdir(dir).catch(() => {
    // Not empty, or not there
  });
}

function locksDir(seedsDir: string): string {
  return join(seedsDir, "locks");
}
