import type { StdioOptions } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** `O_CLOEXEC` as /proc shows a descriptor's flags, in octal */
const closeOnExec = 0o2000000;

/**
 * Standard streams and descriptors for a child, without the descriptors that this process has
 * inherited itself. A long-lived child would hold them for as long as it lives.
 */
export function withoutInherited(stdio: Exclude<StdioOptions, string>): Exclude<StdioOptions, string> {
  const complete = [...stdio];
  for (const fd of inheritedFds()) {
    if (fd < stdio.length) continue;
    while (complete.length <= fd) complete.push("ignore");
  }
  return complete;
}

function inheritedFds(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => fd > 2 && isInherited(fd));
}

/**
 * Node closes its own descriptors in its children, but only the first few of those that it
 * inherited.
 */
function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    // It is closed by now, such as the one that listed them.
    return false;
  }
}
