import * as z from "zod";
import { workspacePath } from "../../machines/shape.ts";
import { entryTypes } from "../../tree/entry.ts";
import { displayPath } from "../../tree/name.ts";

/** Entries of a workspace's tree as users see them. */

export const artifactType = z.enum(entryTypes);

/** A path of the tree as results have it: absolute, and quoted if its bytes need that. */
export function displayed(path: Buffer): string {
  return path.length === 0 ? workspacePath : displayPath(Buffer.concat([Buffer.from(`${workspacePath}/`), path]));
}
