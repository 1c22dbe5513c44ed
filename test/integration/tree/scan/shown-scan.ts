import { printablePath } from "../../../../src/tree/name.ts";
import type { ScannedEntry, TreeScan } from "../../../../src/tree/scan/tree-scan.ts";

/** What a scan found, in order. */
export function shown({ entries }: TreeScan): string[] {
  return entries.map(({ path, type, target }) => {
    return `${type} ${printablePath(path)}${target ? ` -> ${printablePath(target)}` : ""}`;
  });
}

export function entryOf({ entries }: TreeScan, path: string): ScannedEntry | undefined {
  return entries.find((entry) => entry.path.toString() === path);
}
