import { resolve } from "node:path";
import { workspacePath } from "../../core/workspace-path.ts";
import type { EngineCallOptions, EngineContext } from "../../machines/context.ts";
import { workspaceDiskBytes } from "../../machines/shape.ts";
import { cloneCommit } from "../../projects/clone.ts";
import { resolveCommit } from "../../projects/remote.ts";
import { type ProjectSource, projectOrigin } from "../../projects/source.ts";
import { trackedFiles } from "../../projects/tracked-files.ts";
import { type NamedSource, prepareSeed, type SeedSource, seedSourceOf } from "../../seeds/seed.ts";
import type { SkippedEntry } from "../../tree/entry.ts";
import type { WorkspaceSeed } from "../record/record.ts";

/** Source of a workspace's first files: a project, or a directory or archive by its path. */
export type SeedChoice = string | ProjectSource;

/** The source of a workspace's files, and what its record says of it. */
interface Seeding {
  readonly source: SeedSource;
  readonly origin: Pick<WorkspaceSeed, "mode" | "seedPath" | "originKind" | "originRef">;
}

/** Puts a workspace's first files on its disk, which is made at `diskPath`. */
export async function seedDisk(
  { layout, uid, searchPath, seedBudgetBytes }: EngineContext,
  choice: SeedChoice | undefined,
  diskPath: string,
  { signal }: EngineCallOptions,
): Promise<{ readonly seed: WorkspaceSeed; readonly skipped: readonly SkippedEntry[] }> {
  const { source, origin } = await seedingOf(choice, signal);
  const { entryCount, bytesWritten, skipped } = await prepareSeed({
    source,
    uid,
    searchPath,
    signal,
    seedsDir: layout.seedsDir,
    imageBytes: workspaceDiskBytes,
    budgetBytes: seedBudgetBytes,
    linkTo: diskPath,
  });
  // The root does not count as an entry.
  return { seed: { ...origin, destination: workspacePath, entryCount: entryCount - 1, bytesWritten }, skipped };
}

async function seedingOf(choice: SeedChoice | undefined, signal: AbortSignal | undefined): Promise<Seeding> {
  if (choice === undefined) return seedingOfName({ kind: "empty" });
  if (typeof choice === "string") return seedingOfName(await seedSourceOf(resolve(choice), signal));
  return seedingOfProject(choice, signal);
}

function seedingOfName(source: NamedSource): Seeding {
  const none = { originRef: null };
  switch (source.kind) {
    case "empty":
      return { source, origin: { ...none, mode: "empty", seedPath: null, originKind: "empty" } };
    case "directory":
      return { source, origin: { ...none, mode: "directory", seedPath: source.path, originKind: "manual_seed_path" } };
    case "archive":
      return {
        source,
        origin: { ...none, mode: "tar_archive", seedPath: source.path, originKind: "manual_seed_path" },
      };
  }
}

async function seedingOfProject(project: ProjectSource, signal: AbortSignal | undefined): Promise<Seeding> {
  const seedPath = project.kind === "clone" ? null : project.root;
  const { kind: originKind, ref: originRef } = projectOrigin(project);
  const source = await sourceOfProject(project, signal);
  return { source, origin: { mode: "directory", seedPath, originKind, originRef } };
}

async function sourceOfProject(project: ProjectSource, signal: AbortSignal | undefined): Promise<SeedSource> {
  switch (project.kind) {
    case "directory":
      return { kind: "directory", path: project.root };
    case "checkout":
      return { kind: "listed", path: project.root, list: (options) => trackedFiles(project.root, options) };
    case "clone": {
      const resolved = await resolveCommit(project, { signal });
      const { ref } = projectOrigin(project);
      return {
        kind: "generated",
        what: `clone '${ref}'`,
        identity: JSON.stringify(["clone", ref, resolved]),
        generate: (dir, options) => cloneCommit(project, resolved, dir, options),
      };
    }
  }
}
