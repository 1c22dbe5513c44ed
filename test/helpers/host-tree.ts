import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";

/**
 * Everything in a folder of this host, one line each: name, type, permission bits and content;
 * names that are not UTF-8 included. Two folders are the same when these lines are.
 */
export async function listTree(root: string): Promise<string[]> {
  const lines: string[] = [];
  await walk(Buffer.from(root), Buffer.alloc(0), lines);
  return lines.toSorted();
}

async function walk(root: Buffer, below: Buffer, lines: string[]): Promise<void> {
  const path = below.length === 0 ? root : join(root, below);
  for (const name of await readdir(path, { encoding: "buffer" })) {
    const relative = below.length === 0 ? name : join(below, name);
    lines.push(`${JSON.stringify(relative.toString("latin1"))} ${await describe(join(root, relative))}`);
    if ((await lstat(join(root, relative))).isDirectory()) await walk(root, relative, lines);
  }
}

async function describe(path: Buffer): Promise<string> {
  const stats = await lstat(path);
  const mode = (stats.mode & 0o7777).toString(8);
  if (stats.isSymbolicLink()) return `link ${(await readlink(path, { encoding: "buffer" })).toString("latin1")}`;
  if (stats.isDirectory()) return `directory ${mode}`;
  if (!stats.isFile()) return "other";
  const digest = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  return `file ${mode} ${stats.size} ${digest.slice(0, 16)}`;
}

function join(dir: Buffer, name: Buffer): Buffer {
  return Buffer.concat([dir, Buffer.from("/"), name]);
}

/** Runs a script in a folder of this host, as `exec` would in a workspace. */
export function onHost(dir: string, script: string, ...args: readonly string[]): string {
  return execFileSync("sh", ["-euc", `umask 022; ${script}`, "sh", ...args], {
    cwd: dir,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C", GIT_CONFIG_NOSYSTEM: "1", HOME: "/nonexistent" },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 256 * 1024 * 1024,
  });
}

/**
 * How two trees differ, a line each, and not more than a person reads; empty when they are the
 * same.
 */
export async function compareTrees(actual: string, expected: string): Promise<string[]> {
  // Git's index has inode numbers in it.
  const lines = async (dir: string) => (await listTree(dir)).filter((line) => !line.startsWith('".git/index"'));
  return differences(await lines(actual), await lines(expected));
}

export function differences(actual: readonly string[], expected: readonly string[]): string[] {
  const [has, wants] = [new Set(actual), new Set(expected)];
  const surplus = actual.filter((line) => !wants.has(line)).map((line) => `+ ${line}`);
  const missing = expected.filter((line) => !has.has(line)).map((line) => `- ${line}`);
  return [...surplus, ...missing].slice(0, 20);
}

/** What git knows of a tree: no directories, no bits but the owner's x, nothing of git itself. */
export async function contentOfTree(dir: string): Promise<string[]> {
  const lines = await listTree(dir);
  return lines
    .filter((line) => !line.startsWith('".git') && !/ directory \d+$/.test(line))
    .map((line) => line.replace(/ file (\d+) /, (_, mode: string) => ` file ${Number.parseInt(mode, 8) & 0o100} `));
}
