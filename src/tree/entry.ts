import { isUtf8 } from "node:buffer";

/** One entry of a tree. Names are bytes, as Linux has them. */
export interface TreeEntry {
  /**
   * Path from the root of the tree, with `/` between names and none in front; empty for the root
   */
  readonly path: Buffer;
  readonly type: "file" | "directory" | "symlink" | "hard_link";
  /** Permission bits with set-user-ID, set-group-ID and sticky: 07777 */
  readonly mode: number;
  /** Length of a file, in `bytes`; 0 for everything else */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Text of a symbolic link; for a hard link, the path of an earlier file */
  readonly target?: Buffer;
}

/** Part of a file's content, in order: bytes, or the length of a hole in `bytes`. */
export type ContentPiece = { readonly data: Buffer } | { readonly hole: number };

export type TreeItem = TreeEntry & {
  /**
   * Content of a file, nothing for other types. It can be read once, before the next item is asked
   * for
   */
  content(): AsyncIterable<ContentPiece>;
};

export interface SkippedEntry {
  /** Path as shown to people, with bytes that are not text escaped */
  readonly path: string;
  readonly reason: string;
}

export interface TreeLimits {
  readonly maxEntries: number;
  /** Content of all files in `bytes`, holes included */
  readonly maxBytes: number;
}

/** Limits of a workspace's disk */
export const seedLimits: TreeLimits = { maxEntries: 1_000_000, maxBytes: 30 * 1024 ** 3 };

export async function* noContent(): AsyncGenerator<ContentPiece> {}

/** Disk space of a file's content in `bytes`, in whole blocks. */
export function blocksFor(bytes: number): number {
  return Math.ceil(bytes / 4096) * 4096;
}

/**
 * A path as a key of a Map. It has one character for each byte, so no two paths have the same key.
 */
export function pathKey(path: Buffer): string {
  return path.toString("latin1");
}

/** The key of the folder that holds a path, `""` for the root; undefined for the root itself. */
export function parentKey(key: string): string | undefined {
  if (key === "") return undefined;
  return key.slice(0, Math.max(0, key.lastIndexOf("/")));
}

/** A path for messages: in one line, and unambiguous even if it is not text. */
export function printablePath(path: Buffer): string {
  if (path.length === 0) return ".";
  if (!isUtf8(path)) {
    return pathKey(path).replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
  }
  return path.toString("utf8").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** Why a path cannot be the path of an entry; undefined if it can. */
export function pathProblem(path: Buffer): string | undefined {
  if (path.length === 0) return undefined;
  if (path.includes(0)) return "its name has a zero byte in it";
  if (path.length >= 4096) return "its path is longer than 4095 bytes";
  const key = pathKey(path);
  if (key.startsWith("/")) return "its path is absolute";
  const names = key.split("/");
  if (names.includes("..")) return "its path has '..' in it";
  if (names.includes("") || names.includes(".")) return "its path has an empty name in it";
  if (names.some((name) => name.length > 255)) return "its path has a name of more than 255 bytes";
  return undefined;
}

/** Why no symbolic link can have this target; undefined if one can. */
export function symlinkProblem(target: Buffer | undefined): string | undefined {
  if (!target || target.length === 0) return "it is a symbolic link to nothing";
  if (target.includes(0)) return "its target has a zero byte in it";
  if (target.length >= 4096) return "its target is longer than 4095 bytes";
  return undefined;
}
