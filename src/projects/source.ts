import { redactedUrl } from "./clone-url.ts";

/** What a workspace of a project begins with, decided when a server starts and read when a workspace is created. */
export type ProjectSource =
  /** The Git-tracked files of a checkout, as they are in its working tree */
  | { readonly kind: "checkout"; readonly root: string }
  /** A folder that is no checkout, with all that is in it */
  | { readonly kind: "directory"; readonly root: string }
  /** A clone, made when it is needed; the URL may hold a password: `projectOrigin` is for people */
  | { readonly kind: "clone"; readonly url: string; readonly ref: string | undefined };

/** Where a project's files come from, for records and descriptions: without credentials. */
export interface ProjectOrigin {
  readonly kind: "project_path" | "repo_url";
  /** A path on this host, or a URL with `@` and the ref that was asked for */
  readonly ref: string;
}

export function projectOrigin(source: ProjectSource): ProjectOrigin {
  if (source.kind !== "clone") return { kind: "project_path", ref: source.root };
  const url = redactedUrl(source.url);
  return { kind: "repo_url", ref: source.ref === undefined ? url : `${url}@${source.ref}` };
}
