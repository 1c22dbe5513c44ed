import { fileURLToPath } from "node:url";
import { messageOf, PyroError } from "../core/errors.ts";
import { autoDetectProject, projectAt } from "./detect.ts";
import { type ProjectProblem, problemError } from "./problem.ts";
import { projectFromUrl } from "./remote.ts";
import { type ProjectSource, projectOrigin } from "./source.ts";

/** The server's flags for its project. */
export interface ProjectFlags {
  readonly projectPath?: string | undefined;
  readonly repoUrl?: string | undefined;
  readonly repoRef?: string | undefined;
  readonly noProjectSource?: boolean | undefined;
}

/** The start of a server's workspaces. */
export type ProjectStart =
  | { readonly kind: "source"; readonly source: ProjectSource }
  | { readonly kind: "none" }
  /** The server runs in a repository that cannot be used */
  | { readonly kind: "unusable"; readonly dir: string; readonly problem: ProjectProblem }
  /** The client must say which folders its user has opened */
  | { readonly kind: "ask-client" };

/** Decides by the flags, then by the folder that the server runs in. */
export async function startOf(flags: ProjectFlags, cwd: string): Promise<ProjectStart> {
  const { projectPath, repoUrl, repoRef, noProjectSource } = flags;
  if (noProjectSource) return { kind: "none" };
  if (repoUrl !== undefined) return { kind: "source", source: projectFromUrl(repoUrl, repoRef) };
  if (projectPath !== undefined) return { kind: "source", source: await projectAt(projectPath) };
  return autoStart(cwd);
}

async function autoStart(dir: string): Promise<ProjectStart> {
  const { source, problem } = await autoDetectProject(dir).catch((error: unknown) => {
    // An unusable folder must not keep the server from starting.
    const hint = "Give seed_path.";
    return { source: undefined, problem: { code: "failed_precondition", reason: messageOf(error), hint } as const };
  });
  if (source) return { kind: "source", source };
  return problem ? { kind: "unusable", dir, problem } : { kind: "ask-client" };
}

/** `nameFlag` names a flag as the server's user has given it. */
export function requireOneSource(
  { projectPath, repoUrl, repoRef, noProjectSource }: ProjectFlags,
  nameFlag: (flag: keyof ProjectFlags) => string,
): void {
  const refuse = (message: string, hint: string): never => {
    throw new PyroError("invalid_argument", message, { hint });
  };
  const [byPath, byUrl, ref] = [nameFlag("projectPath"), nameFlag("repoUrl"), nameFlag("repoRef")];
  if (noProjectSource && [projectPath, repoUrl, repoRef].some((given) => given !== undefined)) {
    refuse(`cannot use ${nameFlag("noProjectSource")} with a project source`, "Leave one of them out.");
  }
  if (projectPath !== undefined && repoUrl !== undefined) {
    refuse(`cannot use both ${byPath} and ${byUrl}`, "Give the one that workspaces start from.");
  }
  if (repoRef !== undefined && repoUrl === undefined) {
    refuse(`cannot use ${ref} without ${byUrl}`, `Add ${byUrl}, or leave ${ref} out.`);
  }
}

/** Tells a model how a workspace without a seed begins. */
export function describeStart(start: ProjectStart): string {
  switch (start.kind) {
    case "source":
      return `Without seed_path it begins with ${describeSource(start.source)}.`;
    case "ask-client":
      return "Without seed_path it begins with the Git-tracked files of the project that is open in the client, without .git, or empty where that is no Git checkout.";
    case "unusable":
      return `Give seed_path: the project at ${start.dir} cannot be used, ${start.problem.reason}.`;
    case "none":
      return "Without seed_path it begins empty.";
  }
}

function describeSource(source: ProjectSource): string {
  switch (source.kind) {
    case "checkout":
      return `the Git-tracked files of ${source.root} as they are now, uncommitted changes included; not with ignored and untracked files, nor with .git`;
    case "directory":
      return `all files of ${source.root}`;
    case "clone":
      return `a clean clone of ${projectOrigin(source).ref}`;
  }
}

/**
 * The source of a new workspace, or that the client must be asked. Throws if the project cannot be
 * used.
 */
export function sourceOf(start: ProjectStart): ProjectSource | "ask-client" | undefined {
  if (start.kind === "unusable") throw problemError(`cannot use project '${start.dir}'`, start.problem);
  if (start.kind === "ask-client") return "ask-client";
  return start.kind === "source" ? start.source : undefined;
}

/**
 * The first of a client's open folders that is in a Git checkout. Fails if only unusable ones are.
 */
export async function sourceOfRoots(roots: readonly { readonly uri: string }[]): Promise<ProjectSource | undefined> {
  let unusable: ProjectStart | undefined;
  for (const dir of roots.flatMap(({ uri }) => folderOf(uri))) {
    const start = await autoStart(dir);
    if (start.kind === "source") return start.source;
    if (start.kind === "unusable") unusable ??= start;
  }
  if (unusable) sourceOf(unusable);
  return undefined;
}

/** A client can name something that is not a folder of this machine. */
function folderOf(uri: string): readonly string[] {
  try {
    const dir = fileURLToPath(uri);
    return dir.includes("\0") ? [] : [dir];
  } catch {
    return [];
  }
}
