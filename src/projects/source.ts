import { redactedUrl } from "./clone-url.ts";

/**
 * The source of a project's files, chosen when a server starts and read when a workspace is
 * created.
 */
export type ProjectSource =
  /** The Git-tracked files of a checkout as they are in its working tree */
  | { readonly kind: "checkout"; readonly root: string }
  /** A whole folder outside any checkout */
  | { readonly kind: "directory"; readonly root: string }
  /**
   * A clone, made when it is needed. The URL can hold a password, so messages use `projectOrigin`
   */
  | { readonly kind: "clone"; readonly url: string; readonly ref: string | undefined };

/** The origin of a project's files for records and descriptions, without credentials. */
export interface ProjectOrigin {
  readonly kind: "project_path" | "repo_url";
  /** A path on this host, or a URL with `@` and the given ref */
  readonly ref: string;
}

export function projectOrigin(source: ProjectSource): ProjectOrigin {
  if (source.kind !== "clone") return { kind: "project_path", ref: source.root };
  const url = redactedUrl(source.url);
  return { kind: "repo_url", ref: source.ref === undefined ? url : `${url}@${source.ref}` };
}
