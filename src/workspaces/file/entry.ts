import * as z from "zod";
import { workspacePath } from "../../core/workspace-path.ts";
import { entryTypes } from "../../tree/entry.ts";
import { displayPath } from "../../tree/name.ts";

/** Entries of a workspace's tree as users see them. */

export const artifactType = z.enum(entryTypes);

/** Permission bits as results have them, in octal: `0644`. */
export function shownMode(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/** A path of the tree as results have it: absolute, and quoted if its bytes need that. */
export function displayed(path: Buffer): string {
  return path.length === 0 ? workspacePath : displayPath(Buffer.concat([Buffer.from(`${workspacePath}/`), path]));
}
