import * as z from "zod";
import { artifactType } from "../file/entry.ts";
import { redactedCount } from "../file/results.ts";

/** Changes as results have them. */

export const changeSummary = z.object({
  total: z.number(),
  added: z.number(),
  modified: z.number(),
  deleted: z.number(),
  typeChanged: z.number(),
  textPatched: z.number(),
  nonText: z.number(),
});
export type ChangeSummary = z.output<typeof changeSummary>;

export const changeEntry = z.object({
  path: z.string(),
  status: z.enum(["added", "modified", "deleted", "type_changed"]),
  artifactType,
  mode: z
    .object({ old: z.string(), new: z.string() })
    .optional()
    .describe("Permission bits in octal, where they changed"),
});
export type ChangeEntry = z.output<typeof changeEntry>;

/** Why a change is not in the patch, in the words of results. */
const leftOutReasons = {
  ignored: "the project ignores it",
  git: "git takes no patch for what is in .git",
  directory: "a patch has files, and none that is in this directory",
  special: "it is a device, a socket or a named pipe",
  permissions: "a patch has of permissions only who may execute",
  too_large: "its content, or the whole patch with it, is too large",
  room: "there is no room for it here",
} as const;
export type LeftOut = keyof typeof leftOutReasons;

const diffEntry = changeEntry.extend({
  textPatch: z.string().nullable().describe("null where text cannot tell the change"),
  inPatch: z.boolean(),
  leftOut: z
    .enum(Object.keys(leftOutReasons) as [LeftOut, ...LeftOut[]])
    .optional()
    .describe(
      `Why it is not: ${Object.entries(leftOutReasons)
        .map(([name, meaning]) => `${name}: ${meaning}`)
        .join("; ")}`,
    ),
  patchBytes: z
    .number()
    .optional()
    .describe("Length of its part of the patch in UTF-8. The parts follow each other as the entries do"),
});
export type DiffEntry = z.output<typeof diffEntry>;

export const foldedChanges = z.object({
  path: z.string(),
  count: z.number().describe("Files and links at or below the path"),
  reason: z.enum(["ignored", "git"]).describe("ignored: new, and the project ignores them"),
});
export type FoldedChanges = z.output<typeof foldedChanges>;

export const diffSchema = z.object({
  changed: z.boolean(),
  summary: changeSummary,
  entries: z
    .array(diffEntry)
    .describe("Modified ones first, then deleted, of another type, new, new and ignored, in .git"),
  entriesTruncated: z.boolean().describe("There are more than are listed"),
  folded: z.array(foldedChanges).describe("What is not listed singly where there is little room"),
  foldedCount: z.number().describe("Places in folded, those that are cut off included"),
  ignoredCount: z.number().describe("New files that the project ignores"),
  uncomparedCount: z.number().describe("Paths that vanished meanwhile, or could not be read"),
  redactedCount,
  patch: z.string().describe("For `git apply`"),
  patchTruncated: z.boolean().describe("It lacks a change that a patch could have: left_out is too_large or room"),
  outputPath: z.string().nullable().describe("File on the host that has all of the patch"),
});
export type WorkspaceDiff = z.output<typeof diffSchema>;

/** Changes as a review has them. A review without them does not fail. */
export const changesReview = z.object({
  available: z.boolean(),
  reason: z.string().nullable().describe("Why they are not"),
  changed: z.boolean().nullable(),
  summary: changeSummary.nullable(),
  entries: z
    .array(changeEntry)
    .describe("The first ten that are not folded, without directories whose files are there"),
  folded: z.array(foldedChanges),
  foldedCount: z.number(),
  moreCount: z.number().describe("Entries after those"),
  redactedCount,
});
export type ChangesReview = z.output<typeof changesReview>;
