import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../../../src/core/errors.ts";
import { eventually } from "../processes.ts";

const soonMs = 10_000;

/** Where this host's cgroup v2 hierarchy is mounted; hybrid hosts have it beside the old ones. */
export function cgroupRoot(): string {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const path = mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
  if (path === undefined) throw new Error("no cgroup v2 hierarchy is mounted");
  return path;
}

/** Fails if a group whose processes can be killed cannot be made. */
export function tryGroup(path: string): void {
  mkdirSync(path);
  const hasKill = existsSync(join(path, "cgroup.kill"));
  rmdirSync(path);
  if (!hasKill) throw new Error("the cgroup v2 hierarchy has no cgroup.kill");
}

/** Removes a group and those below it, whose killed processes take a moment to be gone. */
export async function removeGroup(path: string): Promise<void> {
  const isGone = async () => {
    try {
      await removeTree(path);
      return true;
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return true;
      if (systemErrorCode(error) === "EBUSY") return false;
      throw error;
    }
  };
  await eventually(isGone, soonMs, `the control group ${path} is removed`);
}

async function removeTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(path, entry.name));
  }
  await rmdir(path);
}
