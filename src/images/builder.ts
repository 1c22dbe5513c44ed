import type { CatalogEntry } from "./catalog.ts";
import type { EnvironmentRecord } from "./record.ts";

/** Makes the files of an environment; pull decides when, and what becomes of them. */
export interface EnvironmentBuilder {
  /** How much room a build takes, and where */
  roomFor(entry: CatalogEntry, stagingDir: string): readonly RoomClaim[];
  /** Builds in `stagingDir`, an empty folder that is the build's own */
  build(request: BuildRequest): Promise<BuiltEnvironment>;
  /** Undoes what a build, finished or killed, left in its folder and cannot be removed like other files */
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

/** Paths are inside the staging folder: pull moves the files into the store. */
export interface BuiltEnvironment {
  readonly source: EnvironmentRecord["source"];
  readonly packages: EnvironmentRecord["packages"];
  readonly kernelVersion: string;
  readonly kernelPath: string;
  readonly modulesPath: string;
  readonly rootImagePath: string;
}
