import { dirname } from "node:path";
import type { TreeItem, TreeLimits } from "../../tree/entry.ts";
import { type WrittenTree, writeTree } from "../../tree/write/write-tree.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { noteExport, sweepExports } from "../record/unfinished-exports.ts";

/**
 * Writes a tree to a path of the host where nothing is, complete or not at all. Nothing of it stays
 * if this process is killed.
 */
export async function writeOnHost(
  { context, signal }: Pick<WorkspaceCall, "context" | "signal">,
  items: AsyncIterable<TreeItem>,
  outputPath: string,
  limits: TreeLimits,
): Promise<WrittenTree> {
  const { workspacesDir } = context.layout;
  await sweepExports(workspacesDir, dirname(outputPath));
  return writeTree(items, outputPath, { limits, signal, note: (path) => noteExport(workspacesDir, path) });
}
