import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureDir } from "../host/files.ts";
import type { EnvironmentBuilder } from "./builder.ts";
import { type EnvironmentStore, namesIn, stagingDir } from "./store-layout.ts";

/** Makes an empty folder for one pull of an environment. The caller holds the environment's lock. */
export async function createStaging(store: EnvironmentStore, slug: string): Promise<string> {
  const path = join(stagingDir(store), slug, randomUUID());
  await ensureDir(path);
  return path;
}

/** Removes what this pull, or one that was killed, left of an environment's staging. The caller holds the environment's lock. */
export async function sweepStaging(store: EnvironmentStore, slug: string, builder: EnvironmentBuilder): Promise<void> {
  const parent = join(stagingDir(store), slug);
  for (const name of await namesIn(parent)) {
    const path = join(parent, name);
    await builder.clean(path);
    // Tries again for the processes of a killed build, which may take a moment to die
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  await rm(parent, { recursive: true, force: true });
}
