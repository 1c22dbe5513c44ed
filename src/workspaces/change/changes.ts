import * as z from "zod";
import { artifactType } from "../file/entry.ts";

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
});
export type ChangeEntry = z.output<typeof changeEntry>;

const diffEntry = changeEntry.extend({
  textPatch: z.string().nullable().describe("null where text cannot tell the change"),
  ignored: z.boolean().describe("The project ignores it, so that the patch leaves it out"),
});
export type DiffEntry = z.output<typeof diffEntry>;

export const diffSchema = z.object({
  changed: z.boolean(),
  summary: changeSummary,
  entries: z.array(diffEntry),
  patch: z.string().describe("For `git apply`; without what is in .git, which git refuses to patch"),
  truncated: z.boolean().describe("Some content was too large: the patch does not have it"),
});
export type WorkspaceDiff = z.output<typeof diffSchema>;

/** Changes as a review has them. A review without them does not fail. */
export const changesReview = z.object({
  available: z.boolean(),
  reason: z.string().nullable().describe("Why they are not"),
  changed: z.boolean().nullable(),
  summary: changeSummary.nullable(),
  entries: z.array(changeEntry).describe("The first ten"),
});
export type ChangesReview = z.output<typeof changesReview>;
