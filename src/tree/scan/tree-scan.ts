import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { pseudoFileSystemOf, pseudoReason } from "../../host/named/pseudo.ts";
import { blocksFor, type SkippedEntry, seedLimits, type TreeEntry, type TreeLimits } from "../entry.ts";
import { printablePath } from "../name.ts";
import type { FoundFile } from "./find.ts";

/** Raised if `stampKey` covers something else */
const stampVersions = { own: "tree-1", newest: "listed-1" } as const;

/** An entry with the stamp that shows changes. */
export interface ScannedEntry extends TreeEntry {
  readonly inode: string;
  readonly changeTime: string;
  /** Whether the file is sparse */
  readonly isSparse: boolean;
}

export interface TreeScan {
  readonly root: string;
  /** Entries sorted by the bytes of their paths, so that parents come first */
  readonly entries: readonly ScannedEntry[];
  readonly skipped: readonly SkippedEntry[];
  /** Key in `HEX` that changes with anything in the tree, by stamps and not by content */
  readonly stampKey: string;
  /** Time of the last change in the tree, by the clock of its file system */
  readonly newestChangeMs: number;
  readonly entryCount: number;
  /** Length of all files, holes included */
  readonly contentBytes: number;
  /** Disk space of a copy in `bytes` */
  readonly diskBytes: number;
  /** Whether folders have their own times. Otherwise all have the time of the newest file */
  readonly folderTimes: keyof typeof stampVersions;
}

export interface ScanOptions {
  readonly signal?: AbortSignal | undefined;
  readonly limits?: TreeLimits | undefined;
}

/** The entries below a folder that the user named. */
export interface Findings {
  /** Folder as the user named it */
  readonly dir: string;
  /** Folder as it was read */
  readonly root: string;
  readonly found: FoundFile[];
  readonly failures: readonly SkippedEntry[];
  readonly folderTimes: TreeScan["folderTimes"];
}

export function toScan(findings: Findings, limits: TreeLimits = seedLimits): TreeScan {
  const scan = summarize(findings);
  requireUsable(findings.dir, scan, limits);
  return scan;
}

export function requireEntryCount(dir: string, count: number, { maxEntries }: TreeLimits = seedLimits): void {
  if (count > maxEntries) throw tooLarge(dir, `it has more than ${maxEntries} entries`);
}

export async function requireDirectory(dir: string): Promise<void> {
  try {
    if ((await stat(dir)).isDirectory()) {
      const fileSystem = await pseudoFileSystemOf(dir);
      if (fileSystem === undefined) return;
      throw new PyroError("invalid_argument", `cannot read directory '${dir}': ${pseudoReason(fileSystem)}`, {
        hint: "Give the path of a directory on a disk.",
      });
    }
  } catch (error) {
    if (error instanceof PyroError) throw error;
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) {
      throw new PyroError("not_found", `cannot read directory '${dir}': it is not there`, {
        hint: "Give the path of a directory that exists.",
        cause: error,
      });
    }
    const reason = systemErrorCode(error) === "EACCES" ? "permission denied" : messageOf(error);
    throw new PyroError("failed_precondition", `cannot read directory '${dir}': ${reason}`, {
      hint: "Give the path of a directory that you can read.",
      cause: error,
    });
  }
  throw new PyroError("invalid_argument", `cannot read directory '${dir}': it is not a directory`, {
    hint: "Give the path of a directory.",
  });
}

/**
 * Limits for `find`. It prints all the time, unless a file system does not answer, such as one that
 * is mounted below
 */
export const findLimits = { timeoutMs: 10 * 60_000, silentMs: 20_000 } as const;

/** What a scan that `find` could not end says. */
export function notScanned(dir: string, error: unknown): unknown {
  if (!(error instanceof PyroError) || error.code !== "timeout") return error;
  return new PyroError("timeout", `cannot read directory '${dir}': a file system in it does not answer`, {
    hint: "Check what is mounted there, and try again.",
    cause: error,
  });
}

function requireUsable(dir: string, scan: TreeScan, limits: TreeLimits): void {
  if (scan.entries[0]?.path.length !== 0) {
    const reason = scan.skipped.find(({ path }) => path === ".")?.reason ?? "it went away";
    throw new PyroError("failed_precondition", `cannot read directory '${dir}': ${reason}`, {
      hint: "Give the path of a directory that you can read.",
    });
  }
  if (scan.contentBytes <= limits.maxBytes) return;
  const gigabytes = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  throw tooLarge(dir, `it has ${gigabytes(scan.contentBytes)} of content, the most is ${gigabytes(limits.maxBytes)}`);
}

function tooLarge(dir: string, reason: string): PyroError {
  return new PyroError("resource_exhausted", `cannot read directory '${dir}': ${reason}`, {
    hint: "Choose a smaller directory.",
  });
}

function summarize({ root, found, failures, folderTimes }: Findings): TreeScan {
  found.sort((a, b) => (a.path < b.path ? -1 : 1));
  const entries: ScannedEntry[] = [];
  const skipped: SkippedEntry[] = [...failures];
  const hash = createHash("sha256").update(stampVersions[folderTimes]);
  const firstPaths = new Map<string, Buffer>();
  let [newestChangeMs, contentBytes, diskBytes] = [0, 0, 0];
  for (const file of found) {
    const path = Buffer.from(file.path, "latin1");
    const reason = skipReason(root, file);
    if (reason !== undefined) {
      skipped.push({ path: printablePath(path), reason });
      continue;
    }
    const entry = toEntry(file, path, firstPaths);
    entries.push(entry);
    const { size, mode, mtimeNs, inode, changeTime } = entry;
    hash.update(
      `\0${file.path}\0${file.kind} ${mode} ${size} ${mtimeNs} ${changeTime} ${inode}\0${file.target}`,
      "latin1",
    );
    newestChangeMs = Math.max(newestChangeMs, Math.ceil(Number(changeTime) * 1000));
    contentBytes += size;
    diskBytes += 512 + blocksFor(Math.min(size, file.storedBytes));
  }
  const totals = { entryCount: entries.length, contentBytes, diskBytes, folderTimes };
  return { root, entries, skipped, stampKey: hash.digest("hex"), newestChangeMs, ...totals };
}

const unkeepable: Readonly<Record<string, string>> = {
  p: "it is a named pipe",
  s: "it is a socket",
  b: "it is a block device",
  c: "it is a character device",
};

function skipReason(root: string, file: FoundFile): string | undefined {
  if (file.pseudoFileSystem !== undefined) return pseudoReason(file.pseudoFileSystem);
  if (!["f", "d", "l"].includes(file.kind)) return unkeepable[file.kind] ?? "its type is not known";
  if (file.isForbidden) return file.kind === "d" ? "it cannot be entered: permission denied" : "permission denied";
  if (Buffer.byteLength(root) + 1 + file.path.length >= 4096) return "its path is longer than 4095 bytes";
  return undefined;
}

function toEntry(file: FoundFile, path: Buffer, firstPaths: Map<string, Buffer>): ScannedEntry {
  const { mode, mtimeNs, inode, changeTime } = file;
  const common = { path, mode, mtimeNs, inode, changeTime, isSparse: false, size: 0 };
  if (file.kind === "d") return { ...common, type: "directory" };
  if (file.kind === "l") return { ...common, type: "symlink", target: Buffer.from(file.target, "latin1") };
  if (file.links > 1) {
    const first = firstPaths.get(file.identity);
    if (first) return { ...common, type: "hard_link", target: first };
    firstPaths.set(file.identity, path);
  }
  return { ...common, type: "file", size: file.size, isSparse: file.storedBytes < file.size };
}
