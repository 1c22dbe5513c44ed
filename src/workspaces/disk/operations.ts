import * as z from "zod";
import { hostPath } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { maxReadBytes } from "../file/files.ts";
import { pathInMachine } from "../file/guest-path.ts";
import { listingText, pageText, renderEntries, shortenListing, shortenPage } from "../file/reading/file-view.ts";
import { listTree, readText } from "../file/reading/tree-files.ts";
import { fileContent, fileListing } from "../file/results.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { exportDisk, exportedDisk } from "./export.ts";
import { withInspection } from "./inspection.ts";
import { findKnownSecrets } from "./known-secrets.ts";
import { stoppedTree } from "./stopped-tree.ts";

const diskPath = z.string().min(1).describe("Path in the stopped machine, absolute or from /workspace");

const allowSecrets = z.boolean().default(false).describe("Show values of secrets that programs have written there");

const { path: listedPath, ...listed } = fileListing.shape;

export const workspaceDiskList = defineOperation({
  name: "workspace.disk.list",
  summary: "List files on the disks of a stopped workspace, without starting it",
  effect: "read",
  input: z.object({
    workspaceId,
    path: diskPath.default("/workspace"),
    recursive: z.boolean().default(false).describe("Everything below it"),
    allowSecrets,
  }),
  output: z.object({
    workspaceId: z.string(),
    path: listedPath,
    recursive: z.boolean(),
    count: z.number().describe("Entries there are, 50,000 at the most"),
    ...listed,
  }),
  cli: {
    positionals: ["workspaceId", "path"],
    examples: ["workspace disk list 0a1b2c3d4e5f", "workspace disk list 0a1b2c3d4e5f /etc --recursive"],
    text: ({ entries }) => renderEntries(entries),
    notes: ({ truncated }) => (truncated ? ["[warning] there are more than are listed"] : []),
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
    const findSecrets = isShown
      ? undefined
      : await findKnownSecrets(call, { verb: "list", operation: "workspace.disk.list" });
    const listing = await withInspection(call, { verb: "list" }, ({ agent }) =>
      listTree(stoppedTree({ ...call, agent }, { findSecrets }), wanted, recursive),
    );
    return { ...listing, workspaceId: id, recursive, count: listing.entries.length };
  },
});

export const workspaceDiskRead = defineOperation({
  name: "workspace.disk.read",
  summary: "Read a text file on the disks of a stopped workspace, without starting it",
  effect: "read",
  input: z.object({
    workspaceId,
    path: diskPath,
    offset: z.number().int().min(0).default(0).describe("Byte of the file to begin with"),
    maxBytes: z.number().int().min(1).max(maxReadBytes).default(65_536).describe("How much of it to read"),
    allowSecrets,
  }),
  output: z.object({
    workspaceId: z.string(),
    ...fileContent.shape,
    truncated: z.boolean().describe("The file goes on behind it"),
  }),
  cli: {
    positionals: ["workspaceId", "path"],
    examples: [
      "workspace disk read 0a1b2c3d4e5f src/note.txt",
      "workspace disk read 0a1b2c3d4e5f /etc/os-release --content-only",
    ],
    part: { flag: "content-only", description: "Print only the file's content", text: ({ content }) => content },
    raw: ({ content }) => content,
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
    const findSecrets = isShown
      ? undefined
      : await findKnownSecrets(call, { verb: "read", operation: "workspace.disk.read" });
    const read = await withInspection(call, { verb: "read" }, ({ agent }) =>
      readText(stoppedTree({ ...call, agent }, { findSecrets }), wanted, page),
    );
    return { ...read, truncated: read.nextOffset !== null, workspaceId: id };
  },
});

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
