import { fileURLToPath } from "node:url";
import { PyroError } from "../core/errors.ts";
import type { ProjectSource } from "../projects/source.ts";
import { autoDetectProject, projectAt, redactedUrl } from "./projects-stub.ts";

/** How `pyro mcp serve` was told what the project is. */
export interface ProjectFlags {
  readonly projectPath?: string | undefined;
  readonly repoUrl?: string | undefined;
  readonly repoRef?: string | undefined;
  /** `--no-project-source` */
  readonly noProjectSource?: boolean | undefined;
}

/** What workspaces begin with: known from the start, or to be asked of the client, which knows what its user has opened. */
export type ProjectStart =
  | { readonly kind: "source"; readonly source: ProjectSource }
  | { readonly kind: "none"; readonly reason: string | undefined }
  | { readonly kind: "ask-client" };

/** Decides by flags, then by the folder in which the server was started. */
export async function startOf(flags: ProjectFlags, cwd: string): Promise<ProjectStart> {
  const { projectPath, repoUrl, repoRef, noProjectSource } = flags;
  if (noProjectSource) return { kind: "none", reason: undefined };
  if (repoUrl !== undefined) return { kind: "source", source: { kind: "clone", url: repoUrl, ref: repoRef } };
  if (projectPath !== undefined) return { kind: "source", source: await projectAt(projectPath) };
  const { source, reason } = await autoDetectProject(cwd);
  if (source) return { kind: "source", source };
  return reason === undefined ? { kind: "ask-client" } : { kind: "none", reason };
}

export function requireOneSource({ projectPath, repoUrl, repoRef, noProjectSource }: ProjectFlags): void {
  const refuse = (message: string, hint: string): never => {
    throw new PyroError("invalid_argument", message, { hint });
  };
  if (noProjectSource && [projectPath, repoUrl, repoRef].some((given) => given !== undefined)) {
    refuse("cannot use --no-project-source with a project source", "Leave one of them out.");
  }
  if (projectPath !== undefined && repoUrl !== undefined) {
    refuse("cannot use both --project-path and --repo-url", "Give the one that workspaces shall begin with.");
  }
  if (repoRef !== undefined && repoUrl === undefined) {
    refuse("cannot use --repo-ref without --repo-url", "Add --repo-url, or leave --repo-ref out.");
  }
  for (const [flag, value] of [
    ["--project-path", projectPath],
    ["--repo-url", repoUrl],
    ["--repo-ref", repoRef],
  ]) {
    if (value?.trim() === "") refuse(`${flag} is empty`, "Give it a value, or leave it out.");
  }
}

/** What a workspace begins with that is created without a seed, for a model. */
export function describeStart(start: ProjectStart): string {
  if (start.kind === "ask-client") {
    return "Without seed_path it begins with the Git-tracked files of the project that is open in your client, or empty if that is no Git checkout.";
  }
  if (start.kind === "none") {
    return `Without seed_path it begins empty${start.reason === undefined ? "" : ` (${start.reason})`}.`;
  }
  return `Without seed_path it begins with ${describeSource(start.source)}.`;
}

function describeSource(source: ProjectSource): string {
  switch (source.kind) {
    case "checkout":
      return `the Git-tracked files of ${source.root} as they are now, uncommitted changes included; ignored and untracked files are left out`;
    case "directory":
      return `all files of ${source.root}`;
    case "clone":
      return `a clean clone of ${redactedUrl(source.url)}${source.ref === undefined ? "" : ` at ${source.ref}`}`;
  }
}

/** The first of a client's open folders that is a Git checkout. */
export async function projectOfRoots(roots: readonly { readonly uri: string }[]): Promise<ProjectSource | undefined> {
  for (const { uri } of roots) {
    if (!uri.startsWith("file://")) continue;
    const { source } = await autoDetectProject(fileURLToPath(uri));
    if (source) return source;
  }
  return undefined;
}
