import * as z from "zod";
import { hostPath } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { pathInMachine } from "../file/guest-path.ts";
import {
  listingFields,
  listingOnCommandLine,
  listingResult,
  listingText,
  pageFields,
  pageInput,
  pageOnCommandLine,
  pageResult,
  pageText,
  recursiveField,
  shortenListing,
  shortenPage,
} from "../file/reading/file-view.ts";
import { type FileTree, listTree, readText } from "../file/reading/tree-files.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { exportDisk, exportedDisk } from "./export.ts";
import { withInspection } from "./inspection.ts";
import { findKnownSecrets } from "./known-secrets.ts";
import { stoppedTree } from "./stopped-tree.ts";

const diskPath = z.string().min(1).describe("Path in the stopped machine, absolute or from /workspace");

const allowSecrets = z.boolean().default(false).describe("Show values of secrets that programs have written there");

export const workspaceDiskList = defineOperation({
  name: "workspace.disk.list",
  summary: "List files on the disks of a stopped workspace, without starting it",
  effect: "read",
  input: z.object({
    workspaceId,
    path: diskPath.default("/workspace"),
    recursive: recursiveField,
    allowSecrets,
  }),
  output: z.object(listingFields),
  cli: {
    ...listingOnCommandLine,
    examples: ["workspace disk list 0a1b2c3d4e5f", "workspace disk list 0a1b2c3d4e5f /etc --recursive"],
  },
  mcp: {
    description:
      "List a directory of a stopped workspace's machine, /workspace or any other, without starting it. For one that runs, use workspace_file_list.",
    shortened: shortenListing,
    text: (output) => listingText(output, "list a directory further down"),
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, path, recursive, allowSecrets: isShown }) {
    const call = { context, workspaceId: id, signal, onProgress };
    const wanted = pathInMachine(path);
    const listing = await inStoppedTree(call, { verb: "list", isShown }, (tree) => listTree(tree, wanted, recursive));
    return listingResult(id, recursive, listing);
  },
});

export const workspaceDiskRead = defineOperation({
  name: "workspace.disk.read",
  summary: "Read a text file on the disks of a stopped workspace, without starting it",
  effect: "read",
  input: z.object({
    workspaceId,
    path: diskPath,
    ...pageInput,
    allowSecrets,
  }),
  output: z.object(pageFields),
  cli: {
    ...pageOnCommandLine,
    examples: [
      "workspace disk read 0a1b2c3d4e5f src/note.txt",
      "workspace disk read 0a1b2c3d4e5f /etc/os-release --content-only",
    ],
    notes: (read) => [
      `[workspace-disk-read] workspace_id=${read.workspaceId} path=${read.path} size_bytes=${read.sizeBytes} truncated=${read.truncated}${read.nextOffset === null ? "" : ` next_offset=${read.nextOffset}`}`,
    ],
  },
  mcp: {
    description:
      "Read a text file of a stopped workspace's machine, in /workspace or elsewhere, without starting it. A long one comes in pages: continue at next_offset.",
    shortened: shortenPage,
    text: pageText,
  },
  async handle({ engine: context, signal }, { workspaceId: id, path, allowSecrets: isShown, ...page }) {
    const call = { context, workspaceId: id, signal };
    const wanted = pathInMachine(path);
    return pageResult(id, await inStoppedTree(call, { verb: "read", isShown }, (tree) => readText(tree, wanted, page)));
  },
});

/** Lends the tree of a stopped workspace. `isShown`: values of secrets in it may be seen. */
async function inStoppedTree<T>(
  call: WorkspaceCall,
  { verb, isShown }: { readonly verb: "list" | "read"; readonly isShown: boolean },
  use: (tree: FileTree) => Promise<T>,
): Promise<T> {
  const operation = `workspace.disk.${verb}`;
  const findSecrets = isShown ? undefined : await findKnownSecrets(call, { verb, operation });
  return withInspection(call, { verb }, ({ agent }) => use(stoppedTree({ ...call, agent }, { findSecrets })));
}

export const workspaceDiskExport = defineOperation({
  name: "workspace.disk.export",
  summary: "Copy the disks of a stopped workspace into one ext4 image, at a path on this host that does not exist yet",
  effect: "write",
  input: z.object({
    workspaceId,
    outputPath: hostPath.describe("Path on this host"),
    allowSecrets: allowSecrets.describe("Export them also if programs can have written values of secrets there"),
  }),
  output: z.object({ workspaceId: z.string(), ...exportedDisk.shape }),
  cli: {
    positionals: ["workspaceId"],
    flagNames: { outputPath: "output" },
    examples: ["workspace disk export 0a1b2c3d4e5f --output ./workspace.ext4"],
    text: (exported) =>
      `[workspace-disk-export] workspace_id=${exported.workspaceId} output_path=${exported.outputPath} disk_format=${exported.diskFormat} bytes_written=${exported.bytesWritten} virtual_size_bytes=${exported.virtualSizeBytes} entry_count=${exported.entryCount}\n`,
    notes: ({ skippedCount }) =>
      skippedCount === 0 ? [] : [`[warning] not exported: ${skippedCount} entries that cannot be read`],
  },
  mcp: {
    description:
      "Copy a stopped workspace's whole machine, root and /workspace, as one ext4 image to a new path on the user's machine. To take out files, start it and use workspace_export.",
    input: { outputPath: hostPath.describe("Path on the user's machine, best absolute") },
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, outputPath, allowSecrets: isShown }) {
    const call = { context, workspaceId: id, signal, onProgress };
    const exported = await exportDisk(call, outputPath, { allowSecrets: isShown });
    return { ...exported, workspaceId: id };
  },
});
