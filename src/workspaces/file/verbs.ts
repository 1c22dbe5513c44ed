import * as z from "zod";
import { treeReadSchema, treeWriteAnswerSchema } from "../../guest/tree/messages.ts";
import { defineVerbs, nothing } from "../control/protocol.ts";
import { editKinds } from "../record/journal.ts";

/** Data is trees of files, in the frames of the guest protocol. */
export const fileVerbs = defineVerbs({
  readTree: { changes: false, endsWithCaller: true, input: treeReadSchema, output: nothing },
  writeTree: {
    changes: true,
    endsWithCaller: true,
    input: z.object({ kind: z.enum(editKinds), path: z.string() }),
    output: treeWriteAnswerSchema,
  },
  /** A read. The caller then reports, in one piece of data, what it has made of it on the host, for the history */
  exportTree: { changes: false, endsWithCaller: true, input: treeReadSchema, output: nothing },
});

export const exportReportSchema = z.object({
  path: z.string(),
  outputPath: z.string(),
  entryCount: z.number(),
  bytesWritten: z.number(),
});
export type ExportReport = z.output<typeof exportReportSchema>;
