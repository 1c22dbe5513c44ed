import { workspacePath } from "../../core/workspace-path.ts";
import { displayPath } from "../name.ts";
import { blobId } from "./binary/write.ts";
import type { FilePatch } from "./parse/parse.ts";

/**
 * Models write `a/workspace/src/x` for `/workspace/src/x`. A project can have such a folder too, so
 * the tree decides.
 */

/** `workspace`, as a relative path */
const folder = workspacePath.slice(1);
const prefix = `${folder}/`;

/** The paths that `withoutWorkspaceFolder` asks for, beside those of the patch. */
export function pathsWithoutFolder(paths: readonly Buffer[]): Buffer[] {
  const shorter = paths.flatMap((path) => withoutFolder(path) ?? []);
  return shorter.length > 0 ? [Buffer.from(folder), ...shorter] : [];
}

/**
 * Takes the folder `workspace` off the paths if the tree does not have it, and the patch was not
 * computed from one that has. It was if an added file has the id of its content.
 */
export function withoutWorkspaceFolder(
  patches: readonly FilePatch[],
  exists: (path: Buffer) => boolean,
): readonly FilePatch[] {
  const inFolder = patches.filter(({ oldPath, newPath }) => isInFolder(oldPath) || isInFolder(newPath));
  if (inFolder.length === 0 || exists(Buffer.from(folder)) || inFolder.some(isComputed)) return patches;
  return patches.map((patch) => {
    const { oldPath, newPath, adjusted } = patch;
    const names = [oldPath, newPath].filter((path) => isInFolder(path));
    const read = [...new Set(names.map((path) => `'${displayPath(path)}' read as '${displayPath(shortened(path))}'`))];
    return {
      ...patch,
      oldPath: oldPath && shortened(oldPath),
      newPath: newPath && shortened(newPath),
      adjusted: [...adjusted, ...read],
    };
  });
}

function isInFolder(path: Buffer | null): path is Buffer {
  return path !== null && withoutFolder(path) !== null;
}

function withoutFolder(path: Buffer): Buffer | null {
  return path.subarray(0, prefix.length).toString("latin1") === prefix ? path.subarray(prefix.length) : null;
}

function shortened(path: Buffer): Buffer {
  return withoutFolder(path) ?? path;
}

/** Whether a program made this part from a tree that has the folder, and no model from a path. */
function isComputed({ kind, oldPath, newPath, ids, hunks, binary }: FilePatch): boolean {
  if (kind === "rename" || kind === "copy") return isInFolder(oldPath) !== isInFolder(newPath);
  if (binary) return true;
  if (kind !== "add" || !ids || ids.new.length < leastIdDigits) return false;
  const content = Buffer.from(hunks.flatMap(({ newLines }) => newLines).join(""));
  return (["sha1", "sha256"] as const).some((algorithm) => blobId(content, algorithm).startsWith(ids.new));
}

/** Git's shortest abbreviation by default */
const leastIdDigits = 7;
