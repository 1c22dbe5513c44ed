import { constants } from "node:os";
import { type CommandEnd, type ExecEnding, nothingReported } from "../guest/messages.ts";

/** Exit code of `timeout(1)` if it had to end the command */
const timedOutExitCode = 124;
/** Shells report the end of a command by signal N as 128 + N */
const signalExitBase = 128;

/** The end of a command that has not ended, or of which the end is unknown */
export const nothingKnown: Omit<CommandEnd, "durationMs"> = {
  ...nothingReported,
  startError: null,
  syncError: null,
  unknownReason: null,
};

/** The end of a command as shells and their users know it: always one exit code. */
export function exitStatus(ending: ExecEnding): CommandEnd & { readonly exitCode: number } {
  const { error, syncError = null, ...reported } = ending;
  const startError = error?.message ?? null;
  return { ...nothingKnown, ...reported, exitCode: exitCodeOf(ending), startError, syncError };
}

function exitCodeOf({ timedOut, signal, exitCode }: ExecEnding): number {
  if (timedOut) return timedOutExitCode;
  if (signal === null) return exitCode ?? 1;
  return signalExitBase + signalNumber(signal);
}

/** The number of a signal that the guest named, or 0 for a name that this host does not know. */
function signalNumber(name: string): number {
  const unnamed = /^SIG(\d{1,2})$/.exec(name);
  if (unnamed) return Number(unnamed[1]);
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return Object.hasOwn(numbers, name) ? (numbers[name] ?? 0) : 0;
}
