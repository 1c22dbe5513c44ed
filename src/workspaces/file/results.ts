import * as z from "zod";
import { workspaceSeedSchema } from "../record/record.ts";
import { artifactType } from "./entry.ts";

/** Changes of files and directories in the form of results. */

export const redactedCount = z.number().describe("Places where the value of a secret was");

export const skippedFiles = z.array(z.object({ path: z.string(), reason: z.string() }));

const fileEntry = z.object({
  path: z.string(),
  artifactType,
  sizeBytes: z.number().nullable(),
  mode: z.string().describe("Permission bits in octal"),
  linkTarget: z.string().nullable(),
});
export type FileEntry = z.output<typeof fileEntry>;

export const fileListing = z.object({
  path: z.string(),
  entries: z.array(fileEntry),
  truncated: z.boolean().describe("There are more than are listed here"),
  redactedCount,
});
export type FileListing = z.output<typeof fileListing>;

export const fileContent = z.object({
  path: z.string(),
  sizeBytes: z.number().describe("Of the whole file"),
  offset: z.number().describe("Where the content begins; a character is never cut in two"),
  content: z.string(),
  nextOffset: z.number().nullable().describe("Offset to read on from; null at the end of the file"),
  redactedCount,
});
export type FileContent = z.output<typeof fileContent>;

export const writtenFile = z.object({ path: z.string(), bytesWritten: z.number() });
export type WrittenFile = z.output<typeof writtenFile>;

export const editedFile = writtenFile.extend({
  replacedCount: z.number(),
  lines: z.array(z.number()).describe("Where each place begins, in the file as it was"),
  adjusted: z.array(z.string()).describe("How the texts were changed to fit the file"),
});
export type EditedFile = z.output<typeof editedFile>;

const patchStatus = z.enum(["added", "modified", "deleted"]);

export const appliedPatch = z.object({
  summary: z.object({ total: z.number(), added: z.number(), modified: z.number(), deleted: z.number() }),
  entries: z.array(z.object({ path: z.string(), status: patchStatus })),
  adjusted: z.array(z.string()).describe("What was read or fitted otherwise than written"),
});
export type AppliedPatch = z.output<typeof appliedPatch>;

/** Amount that was copied into or out of a workspace */
const copied = { entryCount: z.number(), bytesWritten: z.number(), skippedFiles };

export const pushedTree = z.object({
  mode: workspaceSeedSchema.shape.mode.exclude(["empty"]),
  source: z.string(),
  destination: z.string(),
  baseline: z.boolean().describe("Whether it is part of the baseline: no change, and kept by a reset"),
  ...copied,
});
export type PushedTree = z.output<typeof pushedTree>;

export const exportedTree = z.object({
  workspacePath: z.string(),
  outputPath: z.string(),
  artifactType,
  ...copied,
});
export type ExportedTree = z.output<typeof exportedTree>;
