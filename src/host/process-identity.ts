import { readFile } from "node:fs/promises";
import * as z from "zod";
import { bootId } from "./system.ts";

/**
 * Identifies a process for good. Its number can be used again, but not with the same start time.
 */
export const processIdentitySchema = z.object({
  pid: z.number(),
  /** Clock ticks from the host's boot to its start, as in /proc/PID/stat */
  startTicks: z.string(),
  /** Boot of the host, after which numbers and ticks start anew */
  bootId: z.string(),
});
export type ProcessIdentity = z.output<typeof processIdentitySchema>;

/** The process that runs under a number; none for a zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  // The second field is the program's name in brackets, which can hold anything. The start time is
  // the 22nd.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTicks = fields[18];
  return startTicks === undefined || state === "Z" ? undefined : { pid, startTicks, bootId: await bootId() };
}

/** The words that a process was started with; none if it has ended. */
export async function commandLineOf(pid: number): Promise<readonly string[]> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0").slice(0, -1);
}

export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;
}

/** Kills the group that a process leads, unless it has ended. */
export async function killGroupOf(leader: ProcessIdentity): Promise<void> {
  const current = await identifyProcess(leader.pid);
  // Minus one would mean every process.
  if (!current || !isSameProcess(current, leader) || leader.pid <= 1) return;
  try {
    process.kill(-leader.pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
