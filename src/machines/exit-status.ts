import { constants } from "node:os";
import type { ExecEnding } from "../guest/messages.ts";

/** Exit code of `timeout(1)` if it had to end the command */
const timedOutExitCode = 124;
/** Shells report the end of a command by signal N as 128 + N */
const signalExitBase = 128;

export interface ExitStatus {
  readonly exitCode: number;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly oomKilled: boolean;
  readonly startError: string | null;
}

/** An ending in the terms of shells: always one exit code. */
export function exitStatus(ending: ExecEnding): ExitStatus {
  const { signal, timedOut, oomKilled } = ending;
  return { exitCode: exitCodeOf(ending), signal, timedOut, oomKilled, startError: ending.error?.message ?? null };
}

function exitCodeOf({ timedOut, signal, exitCode }: ExecEnding): number {
  if (timedOut) return timedOutExitCode;
  if (signal === null) return exitCode ?? 1;
  return signalExitBase + signalNumber(signal);
}

/** The number of a signal; 0 for one that this host does not know, as the guest chose it. */
function signalNumber(name: string): number {
  const unnamed = /^SIG(\d{1,2})$/.exec(name);
  if (unnamed) return Number(unnamed[1]);
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return Object.hasOwn(numbers, name) ? (numbers[name] ?? 0) : 0;
}
