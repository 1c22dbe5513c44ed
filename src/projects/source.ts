/** What a workspace of a project begins with, decided when a server starts and read when a workspace is created. */
export type ProjectSource =
  /** The Git-tracked files of a checkout, as they are in its working tree */
  | { readonly kind: "checkout"; readonly root: string }
  /** A folder that is no checkout, with all that is in it */
  | { readonly kind: "directory"; readonly root: string }
  /** A clone, made when it is needed */
  | { readonly kind: "clone"; readonly url: string; readonly ref: string | undefined };
