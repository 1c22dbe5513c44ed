import * as z from "zod";
import { workspacePath } from "../../machines/shape.ts";
import { displayPath } from "../../tree/patch/quoting.ts";

/** Entries of a workspace's tree as users see them. */

export const artifactType = z.enum(["file", "directory", "symlink", "other"]);

/** A path of the tree as results have it: absolute, and quoted if its bytes need that. */
export function displayed(path: Buffer): string {
  return path.length === 0 ? workspacePath : displayPath(Buffer.concat([Buffer.from(`${workspacePath}/`), path]));
}

/** A name on one line. Line breaks in a guest's name must not make several entries of one. */
export function oneLine(name: string): string {
  return /\p{Cc}/u.test(name) ? JSON.stringify(name) : name;
}
