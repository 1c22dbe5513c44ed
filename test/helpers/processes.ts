import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

export interface RunningProcess {
  readonly pid: number;
  readonly commandLine: string;
}

/** Virtual machines that run from a cache: their memory is a file in it. */
export async function virtualMachinesOf(cacheDir: string): Promise<RunningProcess[]> {
  const found: RunningProcess[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const commandLine = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    if (!commandLine.includes("qemu-system-")) continue;
    if (await holdsFileUnder(name, cacheDir)) found.push({ pid: Number(name), commandLine });
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

async function holdsFileUnder(pid: string, dir: string): Promise<boolean> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const fd of fds) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    if (target.startsWith(`${dir}/`)) return true;
  }
  return false;
}
