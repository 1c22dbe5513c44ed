import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

export interface RunningProcess {
  readonly pid: number;
  readonly commandLine: string;
}

/**
 * Every process that works for what is in a folder: those that name it, such as guardians and
 * supervisors, the rest of their groups, and virtual machines.
 */
export async function processesOf(dir: string): Promise<RunningProcess[]> {
  const all = await everyProcess();
  const ours = all.find(({ pid }) => pid === process.pid)?.group;
  const groups = new Set(all.filter(({ commandLine }) => commandLine.includes(`${dir}/`)).map(({ group }) => group));
  const members = all.filter(({ group }) => group !== ours && groups.has(group));
  const machines = (await virtualMachinesOf(dir)).filter(({ pid }) => !members.some((member) => member.pid === pid));
  return [...members.map(({ pid, commandLine }) => ({ pid, commandLine })), ...machines];
}

/** Kills them, and waits until they are gone. */
export async function endProcessesOf(dir: string): Promise<void> {
  const areGone = async () => {
    const left = await processesOf(dir);
    for (const { pid } of left) killIfThere(pid);
    return left.length === 0;
  };
  await eventually(areGone, 30_000, `the processes of ${dir} end`);
}

export function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

/** Processes by their exact command line, whatever folder the program is in. */
export async function pidsOf(commandLine: string): Promise<number[]> {
  const isIt = (other: string) => other.replace(/^\S*\//, "").trim() === commandLine;
  return (await everyProcess()).filter((found) => isIt(found.commandLine)).map(({ pid }) => pid);
}

export async function isRunning(commandLine: string): Promise<boolean> {
  return (await pidsOf(commandLine)).length > 0;
}

export async function killAll(commandLine: string): Promise<void> {
  for (const pid of await pidsOf(commandLine)) killIfThere(pid);
}

/** Whether a process has a connection beside its standard streams. */
export async function isConnected(pid: number): Promise<boolean> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = fds.filter((fd) => Number(fd) > 2).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""));
  return (await Promise.all(links)).some((target) => target.startsWith("socket:"));
}

/** A process as /proc has it */
export interface ProcessFacts extends RunningProcess {
  /** As in /proc/PID/stat: `S`, `T`, … */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly startTicks: string;
}

/** All but those that have ended and wait for their parent to notice. */
export async function everyProcess(): Promise<ProcessFacts[]> {
  const found: ProcessFacts[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const commandLine = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "");
    const [state, parent, group, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!state || state === "Z" || parent === undefined || group === undefined) continue;
    const startTicks = fields[16] ?? "";
    found.push({ pid: Number(name), commandLine, state, parent: Number(parent), group: Number(group), startTicks });
  }
  return found;
}

/** Virtual machines that run from a cache: their memory is a file in it. */
export async function virtualMachinesOf(cacheDir: string): Promise<RunningProcess[]> {
  const found: RunningProcess[] = [];
  for (const { pid, commandLine } of await everyProcess()) {
    if (!commandLine.includes("qemu-system-")) continue;
    if (await holdsFileUnder(pid, cacheDir)) found.push({ pid, commandLine });
  }
  return found;
}

/** Waits until a condition holds; the deadline is only there to fail. */
export async function eventually(condition: () => Promise<boolean>, timeoutMs: number, what: string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await setTimeout(25);
  }
}

export async function holdsFileUnder(pid: number, dir: string): Promise<boolean> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const fd of fds) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    if (target.startsWith(`${dir}/`)) return true;
  }
  return false;
}
