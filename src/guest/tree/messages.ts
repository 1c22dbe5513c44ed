import * as z from "zod";
import { type EntryType, entryTypes } from "../../tree/entry.ts";
import { maxPathBytes } from "../../tree/path.ts";

/** Types of the frames that carry trees of files. agent/PROTOCOL.md describes their content. */
export const treeFrame = {
  header: 0x30,
  entry: 0x31,
  content: 0x32,
  contentEnd: 0x33,
  hole: 0x34,
  change: 0x35,
  oldContent: 0x36,
  oldContentEnd: 0x37,
  end: 0x3f,
} as const;

const path = {
  path: z.string().max(maxPathBytes).optional(),
  pathBase64: z
    .string()
    .max(2 * maxPathBytes)
    .optional(),
};
/** Text of a symbolic link */
export const linkText = {
  target: z.string().max(maxPathBytes).optional(),
  targetBase64: z
    .string()
    .max(2 * maxPathBytes)
    .optional(),
};
const mode = z.number().int().min(0).max(0o7777);
const sizeBytes = z.number().int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const treeEntrySchema = z.object({
  ...path,
  ...linkText,
  type: z.enum([...entryTypes, "hard_link", "missing", "delete"]),
  mode: mode.optional(),
  size: sizeBytes.optional(),
  /** Decimal, because nanoseconds do not fit a JSON number */
  mtimeNs: z
    .string()
    .regex(/^-?\d{1,20}$/)
    .optional(),
  sha256: digest.optional(),
  /** Only of `missing` */
  reason: z.string().max(32).optional(),
  expect: z.object({ type: z.string(), sha256: digest.optional(), ...linkText }).optional(),
});

export const treeSideSchema = z
  .object({ type: z.enum(entryTypes), mode, size: sizeBytes.optional(), ...linkText })
  .nullable()
  .optional();

export const treeChangeSchema = z.object({
  ...path,
  status: z.enum(["added", "modified", "deleted", "type_changed"]),
  old: treeSideSchema,
  new: treeSideSchema,
  contentChanged: z.boolean(),
  /** Content of the files follows */
  content: z.boolean().optional(),
});

export const treeWriteHeaderSchema = z.object({
  dest: z.string().optional(),
  makeParents: z.boolean(),
  removeEmptyParents: z.boolean(),
});
export type TreeWriteHeader = z.output<typeof treeWriteHeaderSchema>;

export const treeReadSchema = z.object({
  paths: z.array(z.object(path)).min(1),
  /** 0: only the path itself; 1: with its children; -1: with everything below */
  depth: z.number().int().min(-1).max(1),
  /** Of each regular file; 0: none; -1: all of it */
  contentLimit: z.number().int().min(-1),
  /** First byte of each regular file to be sent; default: 0 */
  contentOffset: z.number().int().min(0).optional(),
  digest: z.boolean(),
  follow: z.boolean(),
  /** Whether the paths are of the inspected root, not of the workspace */
  inspected: z.boolean().optional(),
});
export type TreeReadRequest = z.output<typeof treeReadSchema>;

export const treeChangesSchema = z.object({ contentLimit: z.number().int().min(0) });

/** The end of what a guest has read or compared. */
export const treeEndSchema = z.object({
  /** Paths that vanished meanwhile, or could not be read */
  skippedCount: sizeBytes.default(0),
});
export type TreeEnd = z.output<typeof treeEndSchema>;

export const treeWriteAnswerSchema = z.object({ entryCount: sizeBytes, bytesWritten: sizeBytes });
export type TreeWriteAnswer = z.output<typeof treeWriteAnswerSchema>;

/** Condition for a write: the entry that must be at its path. */
export interface Expectation {
  readonly type: "missing" | "file" | "symlink" | "not_symlink";
  /** Of a file, 64 hexadecimal digits */
  readonly sha256?: string;
  readonly target?: Buffer;
}

/** One path of a guest's tree. Names are bytes, as Linux has them. */
export interface GuestEntry {
  readonly path: Buffer;
  readonly type: z.output<typeof treeEntrySchema>["type"];
  /** Permission bits */
  readonly mode?: number;
  /** In `bytes` */
  readonly size?: number;
  readonly mtimeNs?: bigint;
  /** Text of a symbolic link, or the earlier path that a hard link shares its file with */
  readonly target?: Buffer;
  readonly sha256?: string;
  /** Why a path that may exist is `missing`: `symbolic_link` for a link among its directories */
  readonly reason?: string;
  readonly expect?: Expectation;
}

export type ContentPiece = { readonly data: Buffer } | { readonly hole: number };

/** An entry with its content, which can only be read before the next entry is asked for. */
export interface GuestItem {
  readonly entry: GuestEntry;
  content(): AsyncIterable<ContentPiece>;
}

export interface GuestSide {
  readonly type: EntryType;
  readonly mode: number;
  /** In `bytes` */
  readonly size?: number;
  readonly target?: Buffer;
}

export interface GuestChange {
  readonly path: Buffer;
  readonly status: z.output<typeof treeChangeSchema>["status"];
  readonly old: GuestSide | null;
  readonly new: GuestSide | null;
  /** false when only the mode has changed */
  readonly contentChanged: boolean;
  /** Content of a regular file on each side, unless it is above the limit that was asked for */
  readonly oldContent?: Buffer;
  readonly newContent?: Buffer;
}
