import type { CatalogEntry } from "./catalog.ts";
import type { EnvironmentRecord } from "./record.ts";

/** Makes the files of an environment. `pull` decides when, and stores them. */
export interface EnvironmentBuilder {
  /** Disk space that a build takes, by folder */
  roomFor(entry: CatalogEntry, stagingDir: string): readonly RoomClaim[];
  /** Builds in `stagingDir`, an empty folder that is the build's own */
  build(request: BuildRequest): Promise<BuiltEnvironment>;
  /** Removes what a finished or killed build leaves and `rm` cannot remove */
  clean(stagingDir: string): Promise<void>;
}

export interface RoomClaim {
  readonly path: string;
  readonly bytes: number;
}

export type BuildPhase = "packages" | "kernel" | "image";

export interface BuildRequest {
  readonly entry: CatalogEntry;
  readonly stagingDir: string;
  readonly onPhase: (phase: BuildPhase, detail?: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Files of a build in the staging folder. `pull` moves them into the store. */
export interface BuiltEnvironment {
  readonly source: EnvironmentRecord["source"];
  readonly packages: EnvironmentRecord["packages"];
  readonly kernelVersion: string;
  readonly kernelPath: string;
  readonly modulesPath: string;
  readonly rootImagePath: string;
}
