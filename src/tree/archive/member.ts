import { isUtf8 } from "node:buffer";
import type { ContentPiece, TreeEntry } from "../entry.ts";
import { maxPathBytes } from "../path.ts";

/** A member of an archive as an entry of a tree. Devices are reported and left out. */
export type ArchiveEntry = Omit<TreeEntry, "type"> & {
  readonly type: TreeEntry["type"] | "fifo" | "character-device" | "block-device";
};

/** Why a member cannot be used, and what to do about it. */
export interface MemberProblem {
  readonly reason: string;
  readonly hint?: string;
}

/** What archives of any format say about a member before its content. */
export interface ArchiveMember {
  /** Name for messages */
  readonly name: Buffer;
  readonly entry: ArchiveEntry | MemberProblem;
  /** Length of its content in `bytes`, holes included */
  readonly size: number;
  /** Disk space of its content in `bytes` without holes */
  readonly storedBytes: number;
  /** Can be read once, before the next member */
  content(): AsyncIterable<ContentPiece>;
}

/** Limit for the text of a symbolic link in `bytes` */
export const maxTargetBytes = maxPathBytes;

/** Limit of a file system, above which an archive lies */
const maxSeconds = 2 ** 33;

/** `./a//b/` as `a/b`. A path that leads out of the tree stays as it is. */
export function normalized(path: Buffer): Buffer {
  const text = path.toString("latin1");
  const names = text.split("/").filter((name) => name !== "" && name !== ".");
  return Buffer.from((text.startsWith("/") ? "/" : "") + names.join("/"), "latin1");
}

/** A time in seconds, with its decimals as text; 0 if no file system has such a time. */
export function timeNs(seconds: number, decimals = ""): bigint {
  if (!(Math.abs(seconds) < maxSeconds)) return 0n;
  const fraction = BigInt(decimals.slice(0, 9).padEnd(9, "0"));
  const isNegative = seconds < 0 || Object.is(seconds, -0);
  return BigInt(Math.trunc(seconds)) * 1_000_000_000n + (isNegative ? -fraction : fraction);
}

export function isText(name: Buffer | undefined): boolean {
  return name === undefined || isUtf8(name);
}
