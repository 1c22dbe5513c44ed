import { readFile } from "node:fs/promises";
import { everyProcess, holdsFileUnder, type ProcessFacts } from "../helpers/processes.ts";

export type ProcessKind = "supervisor" | "guardian" | "qemu" | "other";

export interface FoundProcess extends ProcessFacts {
  readonly kind: ProcessKind;
}

/**
 * Every process that has to do with a folder: it is named on the command line, or files in it are
 * open, or were before they were removed. Only these may ever be killed here.
 */
export async function processesAround(dir: string): Promise<readonly FoundProcess[]> {
  const found: FoundProcess[] = [];
  for (const process_ of await everyProcess()) {
    const { pid, commandLine } = process_;
    if (pid === process.pid) continue;
    if (!commandLine.includes(dir) && !(await holdsFileUnder(pid, dir))) continue;
    found.push({ ...process_, kind: kindOf(commandLine) });
  }
  return found;
}

function kindOf(commandLine: string): ProcessKind {
  if (commandLine.includes("supervisor.js run ")) return "supervisor";
  if (commandLine.includes("pyro-guardian")) return "guardian";
  return commandLine.includes("qemu-system-") ? "qemu" : "other";
}

export interface MemoryUse {
  readonly rssKib: number;
  readonly pssKib: number;
}

/** What a process holds of the host's memory; `pss` counts shared pages by their share. */
export async function memoryOf(pid: number): Promise<MemoryUse> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  const figure = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0);
  return { rssKib: figure("Rss"), pssKib: figure("Pss") };
}
