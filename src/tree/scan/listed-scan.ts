import { isAbsolute } from "node:path";
import { throwIfCancelled } from "../../core/deadline.ts";
import type { SkippedEntry } from "../entry.ts";
import { printablePath } from "../name.ts";
import { parentKey, pathKey, pathProblem } from "../path.ts";
import type { FoundFile } from "./find.ts";
import { findListed } from "./find-listed.ts";
import { requireDirectory, requireEntryCount, type ScanOptions, type TreeScan, toScan } from "./tree-scan.ts";

const secondNs = 1_000_000_000n;

/** The entries of a tree to scan, as bytes below its root. Their parents come along. */
export interface PathList {
  /** Files and symbolic links. A folder in the place of one is left out */
  readonly files: readonly Buffer[];
  /** Folders without their content */
  readonly folders: readonly Buffer[];
  /** Entries that could not be listed */
  readonly skipped: readonly { readonly path: Buffer; readonly reason: string }[];
}

/**
 * Scans the listed files of a folder. It leaves out missing files and files behind a symbolic link.
 */
export async function scanListed(dir: string, list: PathList, options: ScanOptions = {}): Promise<TreeScan> {
  await requireDirectory(dir);
  const root = isAbsolute(dir) ? dir : `./${dir}`;
  const failures: SkippedEntry[] = list.skipped.map(({ path, reason }) => ({ path: printablePath(path), reason }));
  const files = usableKeys(list.files, failures);
  const folders = usableKeys(list.folders, failures);
  const looked = await findListed(root, withParents([...files, ...folders]), options.signal);
  throwIfCancelled(options.signal);
  const found = withOneFolderTime(select(looked.found, files, folders));
  requireEntryCount(dir, found.length, options.limits);
  return toScan(
    { dir, root, found, failures: [...failures, ...looked.failures], folderTimes: "newest" },
    options.limits,
  );
}

/** Paths as keys, each once, without invalid ones. */
function usableKeys(paths: readonly Buffer[], failures: SkippedEntry[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const path of paths) {
    const problem = path.length === 0 ? "its path is empty" : pathProblem(path);
    if (problem === undefined) keys.add(pathKey(path));
    else failures.push({ path: printablePath(path), reason: problem });
  }
  return keys;
}

function withParents(keys: readonly string[]): ReadonlySet<string> {
  const all = new Set([""]);
  for (const key of keys) for (let at: string | undefined = key; at && !all.has(at); at = parentKey(at)) all.add(at);
  return all;
}

/** The found entries that are in the tree, without those below a link and without empty folders. */
function select(looked: readonly FoundFile[], files: ReadonlySet<string>, folders: ReadonlySet<string>): FoundFile[] {
  const byKey = new Map(looked.map((file) => [file.path, file]));
  const enterable = new Map<string, boolean>();
  const canEnter = (key: string): boolean => {
    const known = enterable.get(key);
    if (known !== undefined) return known;
    const [parent, folder] = [parentKey(key), byKey.get(key)];
    const isReal = folder?.kind === "d" && (parent === undefined || canEnter(parent));
    const isOpen = isReal && !folder.isForbidden && folder.pseudoFileSystem === undefined;
    enterable.set(key, isOpen);
    // The scan reports why it is left out.
    if (isReal && !isOpen) selected.add(folder);
    return isOpen;
  };
  const selected = new Set<FoundFile>();
  const select = (key: string) => {
    for (let at: string | undefined = key; at !== undefined; at = parentKey(at)) {
      const file = byKey.get(at);
      if (!file || selected.has(file)) return;
      selected.add(file);
    }
  };
  if (canEnter("")) select("");
  for (const key of files) if (canEnter(parentKey(key) ?? "") && byKey.get(key)?.kind !== "d") select(key);
  for (const key of folders) if (canEnter(key)) select(key);
  return [...selected];
}

/** Times of folders change with unlisted files, on which copies and stamps must not depend. */
function withOneFolderTime(found: readonly FoundFile[]): FoundFile[] {
  let newestNs = 0n;
  for (const { kind, isForbidden, mtimeNs } of found) {
    if (kind !== "d" && !isForbidden && mtimeNs > newestNs) newestNs = mtimeNs;
  }
  const time = { mtimeNs: newestNs - (newestNs % secondNs), changeTime: "0" };
  return found.map((file) => (file.kind === "d" ? { ...file, ...time } : file));
}
