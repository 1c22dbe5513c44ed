import * as z from "zod";
import { defineVerbs, nothing } from "../control/protocol.ts";
import { recordedEndSchema } from "../record/journal.ts";

/** Longest delay of a timer */
const timeoutMs = z
  .number()
  .min(0)
  .max(2 ** 31 - 1);

/**
 * Data is the command's standard input one way, and its output the other, in the frames of the
 * guest protocol
 */
const exec = {
  changes: true,
  endsWithCaller: true,
  input: z.object({
    argv: z.array(z.string()).optional(),
    shell: z.string().optional(),
    /** Absolute, in the guest; default: the workspace's files */
    cwd: z.string().optional(),
    /** Added to the guest's own variables */
    env: z.record(z.string(), z.string()).optional(),
    /** Variables that get secrets: `{ SECRET: VARIABLE }` */
    secretEnv: z.record(z.string(), z.string()).optional(),
    /** 0: no limit */
    timeoutMs: z.number(),
    stdin: z.boolean(),
    /** After this time a command that reads nothing from its caller runs on without it */
    detachAfterMs: timeoutMs.optional(),
  }),
  /** How the command ended or, if it was detached, its state so far */
  output: recordedEndSchema.extend({
    sequence: z.number(),
    cwd: z.string(),
    running: z.boolean(),
    /** The command as the history has it, if it was given with the value of a secret in it */
    command: z.array(z.string()).optional(),
  }),
} as const;

export const commandVerbs = defineVerbs({
  exec,
  /** Runs the one command of a machine, which is removed before the answer, however that ends */
  execOnce: exec,
  /** Answers when a command's end is on file, or at the limit */
  awaitCommand: {
    changes: false,
    endsWithCaller: true,
    input: z.object({ sequence: z.number(), timeoutMs }),
    output: nothing,
  },
});
