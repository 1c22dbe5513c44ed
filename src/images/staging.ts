import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureDir, namesIn } from "../host/files.ts";
import type { EnvironmentBuilder } from "./builder.ts";
import { type EnvironmentStore, isUuid, removeIfEmpty, stagingDir } from "./store-layout.ts";

/** Environments, as file names, with an unfinished pull. */
export async function stagedSlugs(store: EnvironmentStore): Promise<string[]> {
  const staged: string[] = [];
  for (const slug of await namesIn(stagingDir(store))) {
    // An unreadable folder is not pyro's.
    const names = await namesIn(join(stagingDir(store), slug)).catch(() => []);
    if (names.some(isUuid)) staged.push(slug);
  }
  return staged;
}

/**
 * Creates an empty folder for one pull of an environment. The caller holds the environment's lock.
 */
export async function createStaging(store: EnvironmentStore, slug: string): Promise<string> {
  const path = join(stagingDir(store), slug, randomUUID());
  await ensureDir(path);
  return path;
}

/**
 * Removes an environment's staging, which this pull or a killed one has left. The caller holds the
 * environment's lock.
 */
export async function sweepStaging(store: EnvironmentStore, slug: string, builder: EnvironmentBuilder): Promise<void> {
  const parent = join(stagingDir(store), slug);
  for (const name of (await namesIn(parent)).filter(isUuid)) {
    const path = join(parent, name);
    await builder.clean(path);
    // Tries again, because the processes of a killed build can take a moment to die.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  await removeIfEmpty(parent);
}
