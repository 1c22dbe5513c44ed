import * as z from "zod";
import { commandEndSchema } from "../guest/messages.ts";
import { commandText } from "./fields.ts";

/** Fields of operations that run a command. */

export const guestCommand = z
  .union([z.array(commandText).min(1), commandText.min(1)])
  .describe("Program and arguments, passed on unchanged; from TypeScript also one text for the guest's shell");

export const exitCodeMeaning =
  "The command's; 128 + N after signal N, 124 after a timeout, 126 or 127 if it could not be started";

/**
 * How a command ended, beside its exit code. The caller has waited for the end, so the command is
 * neither cancelled nor unknown.
 */
export const commandEnding = commandEndSchema.omit({
  exitCode: true,
  cancelled: true,
  syncError: true,
  unknownReason: true,
  durationMs: true,
});

/** The parts of a summary line that only some commands have. */
export function endingFacts({ signal, timedOut, oomKilled }: z.output<typeof commandEnding>): string[] {
  return [
    ...(signal === null ? [] : [`signal=${signal}`]),
    ...(timedOut ? ["timed_out=true"] : []),
    ...(oomKilled ? ["oom_killed=true"] : []),
  ];
}
