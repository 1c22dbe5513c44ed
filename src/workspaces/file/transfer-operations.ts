import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { executionMode, hostPath } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { archiveNames } from "../../tree/archive/format.ts";
import { workspaceFilePath, workspaceId } from "../life/workspace-view.ts";
import { exportedTree, pushedTree } from "./results.ts";
import { exportFromWorkspace, pushIntoWorkspace } from "./transfer.ts";

export const workspaceSyncPush = defineOperation({
  name: "workspace.sync.push",
  summary: "Copy a directory or archive of this host into a workspace that runs",
  effect: "write",
  input: z.object({
    workspaceId,
    sourcePath: hostPath.describe(`Directory, ${archiveNames} on this host`),
    dest: workspaceFilePath.default("/workspace").describe("Directory for its content"),
    baseline: z.boolean().default(false).describe("Make it part of the baseline: no change in diff, and kept by reset"),
  }),
  output: z.object({
    workspaceId: z.string(),
    ...pushedTree.shape,
    executionMode,
  }),
  cli: {
    positionals: ["workspaceId", "sourcePath"],
    examples: [
      "workspace sync push 0a1b2c3d4e5f ./fixtures --dest /workspace/fixtures",
      "workspace sync push 0a1b2c3d4e5f ./node_modules --dest /workspace/node_modules --baseline",
    ],
    text: (push) =>
      `[workspace-sync] workspace_id=${push.workspaceId} mode=${push.mode} source=${push.source} destination=${push.destination}${push.baseline ? " baseline=true" : ""} entry_count=${push.entryCount} bytes_written=${push.bytesWritten} execution_mode=${push.executionMode}\n`,
    notes: (push) => push.skippedFiles.map(({ path, reason }) => `[warning] not copied: ${path}: ${reason}`),
  },
  mcp: {
    description:
      "Copy a directory or archive from the user's machine into a workspace, over what is there. This is the way in for what a guest cannot download: with baseline, dependencies are no change in workspace_diff, and workspace_reset keeps them.",
    input: {
      sourcePath: hostPath.describe("Directory or archive (tar, zip) of the user's machine"),
      dest: workspaceFilePath.default("/workspace").describe("Directory for its content"),
    },
    isIdempotent: true,
    shortened: (output, maxChars) => ({ ...output, skippedFiles: fitting(output.skippedFiles, maxChars - 800) }),
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, sourcePath, ...target }) {
    const pushed = await pushIntoWorkspace({ context, workspaceId: id, signal, onProgress }, sourcePath, target);
    return { ...pushed, workspaceId: id, executionMode: "guest" as const };
  },
});

export const workspaceExport = defineOperation({
  name: "workspace.export",
  summary:
    "Copy one file, directory or symbolic link out of a workspace, to a path on this host that does not exist yet",
  effect: "write",
  input: z.object({
    workspaceId,
    path: workspaceFilePath,
    outputPath: hostPath.describe("Path on this host"),
    allowSecrets: z.boolean().default(false).describe("Export it also if it has values of secrets in it"),
  }),
  output: z.object({
    workspaceId: z.string(),
    ...exportedTree.shape,
    executionMode,
  }),
  cli: {
    positionals: ["workspaceId", "path"],
    flagNames: { outputPath: "output" },
    examples: ["workspace export 0a1b2c3d4e5f build/report.html --output ./report.html"],
    text: (exported) =>
      `[workspace-export] workspace_id=${exported.workspaceId} workspace_path=${exported.workspacePath} output_path=${exported.outputPath} artifact_type=${exported.artifactType} entry_count=${exported.entryCount} bytes_written=${exported.bytesWritten} execution_mode=${exported.executionMode}\n`,
    notes: (exported) => exported.skippedFiles.map(({ path, reason }) => `[warning] not exported: ${path}: ${reason}`),
  },
  mcp: {
    description: "Copy a file or directory from a workspace to a new path on the user's machine.",
    input: {
      outputPath: hostPath.describe("Path on the user's machine, best absolute"),
    },
    shortened: (output, maxChars) => ({ ...output, skippedFiles: fitting(output.skippedFiles, maxChars - 800) }),
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, path, outputPath: output, allowSecrets }) {
    const wanted = { context, workspaceId: id, signal, onProgress };
    const exported = await exportFromWorkspace(wanted, path, { output, allowSecrets });
    return { ...exported, workspaceId: id, executionMode: "guest" as const };
  },
});
