import * as z from "zod";
import { treeReadSchema, treeWriteAnswerSchema } from "../../guest/tree/messages.ts";
import { defineVerbs, nothing } from "../control/protocol.ts";
import { editSchema, type exportSchema } from "../record/journal.ts";

/** Data is trees of files, in the frames of the guest protocol. */
export const fileVerbs = defineVerbs({
  readTree: { changes: false, endsWithCaller: true, input: treeReadSchema, output: nothing },
  writeTree: {
    changes: true,
    endsWithCaller: true,
    input: editSchema.pick({ kind: true, path: true }),
    output: treeWriteAnswerSchema,
  },
  /** The same into the baseline too: what is written is no change, and a reset keeps it */
  writeBaseline: {
    changes: true,
    endsWithCaller: true,
    input: editSchema.pick({ kind: true, path: true }),
    output: treeWriteAnswerSchema,
  },
  /**
   * A read, after which the caller reports in one piece of data what it has written on the host. It
   * fails at the value of a secret, unless that may leave.
   */
  exportTree: {
    changes: false,
    endsWithCaller: true,
    input: treeReadSchema.extend({ allowSecrets: z.boolean() }),
    output: nothing,
  },
});

export type ExportReport = z.output<typeof exportSchema>;
