/** What can be at a path, as results name it. A hard link is a file, and devices are other. */
export const entryTypes = ["file", "directory", "symlink", "other"] as const;
export type EntryType = (typeof entryTypes)[number];

/** One entry of a tree. Names are bytes, as Linux has them. */
export interface TreeEntry {
  /**
   * Path from the root of the tree, with `/` between names and none in front; empty for the root
   */
  readonly path: Buffer;
  readonly type: Exclude<EntryType, "other"> | "hard_link";
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
