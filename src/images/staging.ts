import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureDir, namesIn } from "../host/files.ts";
import type { EnvironmentBuilder } from "./builder.ts";
import { type EnvironmentStore, isUuid, removeIfEmpty, stagingDir } from "./store-layout.ts";

/** The environments, as file names, that a pull goes on of, or left something of. */
export async function stagedSlugs(store: EnvironmentStore): Promise<string[]> {
  const staged: string[] = [];
  for (const slug of await namesIn(stagingDir(store))) {
    // A folder that we may not look into is none of ours
    const names = await namesIn(join(stagingDir(store), slug)).catch(() => []);
    if (names.some(isUuid)) staged.push(slug);
  }
  return staged;
}

/** Makes an empty folder for one pull of an environment. The caller holds the environment's lock. */
export async function createStaging(store: EnvironmentStore, slug: string): Promise<string> {
  const path = join(stagingDir(store), slug, randomUUID());
  await ensureDir(path);
  return path;
}

/** Removes what this pull, or one that was killed, left of an environment's staging. The caller holds the environment's lock. */
export async function sweepStaging(store: EnvironmentStore, slug: string, builder: EnvironmentBuilder): Promise<void> {
  const parent = join(stagingDir(store), slug);
  for (const name of (await namesIn(parent)).filter(isUuid)) {
    const path = join(parent, name);
    await builder.clean(path);
    // Tries again for the processes of a killed build, which may take a moment to die
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  await removeIfEmpty(parent);
}
