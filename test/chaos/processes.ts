import { readdir, readFile } from "node:fs/promises";
import { holdsFileUnder } from "../helpers/processes.ts";

export type ProcessKind = "supervisor" | "guardian" | "qemu" | "other";

export interface FoundProcess {
  readonly pid: number;
  readonly kind: ProcessKind;
  /** As in /proc/PID/stat: `S`, `T`, `Z`, … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly startTicks: string;
  readonly commandLine: string;
}

/**
 * Every process that has to do with a folder: it is named on the command line, or files in it are
 * open, or were before they were removed. Only these may ever be killed here.
 */
export async function processesOf(dir: string): Promise<readonly FoundProcess[]> {
  const found: FoundProcess[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const process_ = await describe(name);
    if (process_ === undefined || process_.state === "Z") continue;
    if (process_.commandLine.includes(dir) || (await holdsFileUnder(name, dir))) found.push(process_);
  }
  return found;
}

async function describe(name: string): Promise<FoundProcess | undefined> {
  const [stat, cmdline] = await Promise.all(
    ["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "latin1").catch(() => "")),
  );
  const [state, parent, group, ...fields] = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
  if (!state || parent === undefined || group === undefined) return undefined;
  const commandLine = Buffer.from(cmdline ?? "", "latin1")
    .toString("utf8")
    .replaceAll("\0", " ");
  return {
    ...{ pid: Number(name), parent: Number(parent), group: Number(group), state, commandLine },
    ...{ kind: kindOf(commandLine), startTicks: fields[16] ?? "" },
  };
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
