import { parentKey } from "../../tree/path.ts";
import type { ChangeEntry, FoldedChanges, LeftOut } from "./changes.ts";

/** A change with what decides where it is listed. */
export interface Foldable {
  /** The path's bytes as characters of latin1, without a slash at either end */
  readonly key: string;
  readonly artifactType: ChangeEntry["artifactType"];
  readonly leftOut?: LeftOut | undefined;
}

/** Whether a change is one of many that mostly say nothing. */
export function isFolded<C extends { readonly leftOut?: LeftOut | undefined }>(
  change: C,
): change is C & { readonly leftOut: FoldedChanges["reason"] } {
  return change.leftOut === "ignored" || change.leftOut === "git";
}

/**
 * Counts what a project ignores by the highest new folder that it ignores, else by the folder that
 * it is in, and what is in `.git` by that. One alone keeps its name. `show` writes a key as results
 * have it.
 */
export function foldChanges(changes: readonly Foldable[], show: (key: string) => string): FoldedChanges[] {
  const ignoredFolders = new Set(
    changes.filter(({ leftOut, artifactType }) => leftOut === "ignored" && artifactType === "directory").map(keyOf),
  );
  const topOf = topFolders(ignoredFolders);
  const folds = new Map<string, { reason: FoldedChanges["reason"]; keys: string[] }>();
  for (const change of changes) {
    if (!isFolded(change)) continue;
    const top = change.leftOut === "git" ? gitFolder(change.key) : (topOf(change.key) ?? parentKey(change.key) ?? "");
    const fold = folds.get(top) ?? { reason: change.leftOut, keys: [] };
    folds.set(top, fold);
    if (change.artifactType !== "directory") fold.keys.push(change.key);
  }
  const folded = [...folds].map(([top, { reason, keys }]) => {
    const [only] = keys;
    const path = keys.length === 1 && only !== undefined ? only : top;
    return { path: show(path), count: keys.length, reason };
  });
  return [...folded.filter(({ reason }) => reason === "git"), ...folded.filter(({ reason }) => reason === "ignored")];
}

const keyOf = ({ key }: Foldable) => key;

/**
 * Finds the highest of some folders that a path is in or is. Each folder is looked at once, because
 * a look costs the length of its path.
 */
function topFolders(folders: ReadonlySet<string>): (key: string) => string | undefined {
  const known = new Map<string, string | undefined>([["", undefined]]);
  return (key) => {
    const unknown: string[] = [];
    let at = key;
    for (; !known.has(at); at = parentKey(at) ?? "") unknown.push(at);
    let top = known.get(at);
    for (const folder of unknown.reverse()) {
      top ??= folders.has(folder) ? folder : undefined;
      known.set(folder, top);
    }
    return top;
  };
}

/** Path of the highest folder named `.git`, in upper or lower case, that a path is in or is. */
export function gitFolder(key: string): string {
  const names = key.split("/");
  const index = names.findIndex((name) => name.toLowerCase() === ".git");
  return index < 0 ? "" : names.slice(0, index + 1).join("/");
}
