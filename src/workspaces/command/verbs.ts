import * as z from "zod";
import { defineVerbs, nothing } from "../control/protocol.ts";
import { recordedEndSchema } from "../record/journal.ts";

/** Longest delay of a timer */
const timeoutMs = z
  .number()
  .min(0)
  .max(2 ** 31 - 1);

export const commandVerbs = defineVerbs({
  /**
   * Data is the command's standard input one way, and its output the other, in the frames of the
   * guest protocol
   */
  exec: {
    changes: true,
    endsWithCaller: true,
    input: z.object({
      argv: z.array(z.string()).optional(),
      shell: z.string().optional(),
      /** Absolute, in the guest; default: the workspace's files */
      cwd: z.string().optional(),
      /** Added to the guest's own variables */
      env: z.record(z.string(), z.string()).optional(),
      /** 0: no limit */
      timeoutMs: z.number(),
      stdin: z.boolean(),
      /** After this time a command that reads nothing from its caller runs on without it */
      detachAfterMs: timeoutMs.optional(),
    }),
    /** How the command ended or, if it was detached, its state so far */
    output: recordedEndSchema.extend({ sequence: z.number(), cwd: z.string(), running: z.boolean() }),
  },
  /** Answers when a command's end is on file, or at the limit */
  awaitCommand: {
    changes: false,
    endsWithCaller: true,
    input: z.object({ sequence: z.number(), timeoutMs }),
    output: nothing,
  },
});
