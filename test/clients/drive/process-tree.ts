import { readdir, readFile } from "node:fs/promises";
import { killIfThere } from "../../helpers/processes.ts";

interface TreeProcess {
  readonly pid: number;
  readonly parent: number;
  readonly commandLine: string;
}

/**
 * A process and all that descend from it, as long as their parents are there; ancestors come first.
 */
async function treeOf(root: number): Promise<readonly TreeProcess[]> {
  const all = await everyProcess();
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

/**
 * Every process that has a text, such as the path of a folder, in the environment that it was
 * started with.
 */
export async function startedWith(words: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { pid, commandLine } of await everyProcess()) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.includes(words)) found.push(`${pid} ${commandLine}`);
  }
  return found;
}

/** Kills a process with all its descendants, whatever groups and sessions they are in. */
export async function killTree(root: number): Promise<void> {
  for (const { pid } of await treeOf(root)) killIfThere(pid);
}

/**
 * Kills those of some processes that still have `words` on their command line, so that no other
 * process is killed which has the number now.
 */
export async function killIfStill(pids: readonly number[], words: string): Promise<void> {
  for (const { pid, commandLine } of await everyProcess()) {
    if (pids.includes(pid) && commandLine.includes(words)) killIfThere(pid);
  }
}

/**
 * Kills a process with its descendants, but for those that have `words` on their command line and
 * what descends from them; these it returns.
 */
export async function killTreeExcept(root: number, words: string): Promise<readonly number[]> {
  const tree = await treeOf(root);
  const spared = new Set<number>();
  for (const { pid, parent, commandLine } of tree) {
    if (spared.has(parent) || (pid !== root && commandLine.includes(words))) spared.add(pid);
  }
  if (spared.size === 0) throw new Error(`process ${root} has no descendant with '${words}' on its command line`);
  for (const { pid } of tree) if (!spared.has(pid)) killIfThere(pid);
  return [...spared];
}

async function everyProcess(): Promise<readonly TreeProcess[]> {
  const found: TreeProcess[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "");
    const commandLine = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    if (parent !== undefined) found.push({ pid: Number(name), parent: Number(parent), commandLine });
  }
  return found;
}
