import { dirname } from "node:path";
import type { TreeItem, TreeLimits } from "../../tree/entry.ts";
import { writeWholeFile } from "../../tree/write/write-file.ts";
import { type WrittenTree, writeTree } from "../../tree/write/write-tree.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { noteExport, sweepExports } from "../record/unfinished-exports.ts";

type HostWriter = Pick<WorkspaceCall, "context" | "signal">;

/**
 * Writes a tree to a path of the host where nothing is, complete or not at all. Nothing of it stays
 * if this process is killed.
 */
export async function writeOnHost(
  { context, signal }: HostWriter,
  items: AsyncIterable<TreeItem>,
  outputPath: string,
  limits: TreeLimits,
): Promise<WrittenTree> {
  const { workspacesDir } = context.layout;
  await sweepExports(workspacesDir, dirname(outputPath));
  return writeTree(items, outputPath, { limits, signal, note: (path) => noteExport(workspacesDir, path) });
}

/** Does the same with a file that `fill` makes under another name. */
export async function writeFileOnHost<T>(
  { context, signal }: HostWriter,
  outputPath: string,
  fill: (path: string) => Promise<T>,
): Promise<T> {
  const { workspacesDir } = context.layout;
  await sweepExports(workspacesDir, dirname(outputPath));
  return writeWholeFile(outputPath, { signal, note: (path) => noteExport(workspacesDir, path) }, fill);
}
