import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { EnvironmentStore } from "../../../src/images/store-layout.ts";

export interface TemporaryStore {
  readonly store: EnvironmentStore;
  /** Where the fake builder keeps what must not outlive a build */
  readonly outsideDir: string;
  /** Every file of the store but its locks, and of the folder outside, by relative path */
  files(): Promise<string[]>;
}

/** An empty store that goes with the test. */
export async function temporaryStore(): Promise<TemporaryStore> {
  const home = await mkdtemp(join(tmpdir(), "pyro-environments-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const store = { environmentsDir: join(home, "environments") };
  const outsideDir = join(home, "outside");
  await mkdir(outsideDir);
  const files = async () => {
    const entries = await readdir(home, { recursive: true, withFileTypes: true });
    const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1));
    const isLock = (path: string) => path.startsWith("environments/locks/");
    return paths
      .filter((path, index) => (!entries[index]?.isDirectory() || path.startsWith("outside/")) && !isLock(path))
      .toSorted();
  };
  return { store, outsideDir, files };
}
