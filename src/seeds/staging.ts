import { randomUUID } from "node:crypto";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { ensureDir, namesIn } from "../host/files.ts";
import { withLock } from "../host/lock/lock.ts";
import { type BuildRoot, removeAsRoot, spreadFolders } from "./build-root.ts";

const lockTimeoutMs = 30 * 60_000;
/** Limit for taking the lock of another build's leftovers */
const sweepLockTimeoutMs = 250;

export interface StagingRequest {
  readonly seedsDir: string;
  /** Key of the build in hexadecimal digits. One process at a time builds it */
  readonly key: string;
  /** Shown to waiting processes: `preparing directory '/home/me/project'` */
  readonly purpose: string;
  readonly root: BuildRoot;
  readonly signal: AbortSignal | undefined;
  readonly onWait?: (holder: string) => void;
}

/**
 * Runs `work` with an empty folder while no other process builds the same key. It first removes
 * what killed builds have left. All keys share 256 locks, so their number does not grow.
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
        // The next build removes it.
      });
      await removeIfEmpty(slotDir);
    }
  });
}

/** Removes folders whose lock no process holds. */
async function sweepOthers(seedsDir: string, ownSlot: string, root: BuildRoot): Promise<void> {
  for (const slot of await namesIn(join(seedsDir, "staging"))) {
    if (slot === ownSlot || !/^[0-9a-f]{2}$/.test(slot)) continue;
    const lock = { dir: locksDir(seedsDir), name: slot, purpose: "removing what a build left" };
    try {
      await withLock({ ...lock, timeoutMs: sweepLockTimeoutMs }, () => sweepSlot(seedsDir, slot, root));
    } catch (error) {
      // Another process builds there.
      if (!(error instanceof PyroError) || error.code !== "timeout") throw error;
    }
  }
}

async function sweepSlot(seedsDir: string, slot: string, root: BuildRoot): Promise<void> {
  const dir = join(seedsDir, "staging", slot);
  for (const name of await namesIn(dir)) {
    await removeAsRoot(root, join(dir, name)).catch(() => {
      // It may be another user's, and no one else needs the name.
    });
  }
  await removeIfEmpty(dir);
}

async function removeIfEmpty(dir: string): Promise<void> {
  await rmdir(dir).catch(() => {
    // It is not empty, or gone.
  });
}

function locksDir(seedsDir: string): string {
  return join(seedsDir, "locks");
}
