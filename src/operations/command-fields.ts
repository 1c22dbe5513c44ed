import * as z from "zod";
import { commandText } from "./fields.ts";

/** Fields of operations that run a command. */

export const guestCommand = z
  .union([z.array(commandText).min(1), commandText.min(1)])
  .describe("Program and arguments, passed on unchanged; from TypeScript also one text for the guest's shell");

export const exitCodeMeaning =
  "The command's; 128 + N after signal N, 124 after a timeout, 126 or 127 if it could not be started";

/** How a command ended, beside its exit code. */
export const commandEnding = z.object({
  signal: z.string().nullable().describe("Signal that ended the command"),
  timedOut: z.boolean().describe("Its whole process tree was killed at the time limit"),
  oomKilled: z.boolean().describe("The guest ran out of memory"),
  startError: z.string().nullable().describe("Why the command could not be started"),
});

/** The parts of a summary line that few commands have. */
export function endingFacts({ signal, timedOut, oomKilled }: z.output<typeof commandEnding>): string[] {
  return [
    ...(signal === null ? [] : [`signal=${signal}`]),
    ...(timedOut ? ["timed_out=true"] : []),
    ...(oomKilled ? ["oom_killed=true"] : []),
  ];
}
