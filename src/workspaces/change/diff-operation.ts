import * as z from "zod";
import { hostPath } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceFilePath, workspaceId } from "../life/workspace-view.ts";
import { diffSchema, type WorkspaceDiff } from "./changes.ts";
import { diffWorkspace } from "./diff.ts";
import { diffText, notesOf, shortenDiff } from "./diff-view.ts";
import { writePatch } from "./patch-file.ts";

export const workspaceDiff = defineOperation({
  name: "workspace.diff",
  summary: "Show what differs from the files that the workspace began with",
  // It can write a file on the host.
  effect: "write",
  input: z.object({
    workspaceId,
    paths: z.array(workspaceFilePath).min(1).optional().describe("Only what is at or below this path; repeatable"),
    outputPath: hostPath.optional().describe("New file on this host for the patch"),
  }),
  output: z.object({ workspaceId: z.string(), ...diffSchema.shape }),
  cli: {
    positionals: ["workspaceId"],
    flagNames: { outputPath: "output" },
    examples: [
      "workspace diff 0a1b2c3d4e5f",
      "workspace diff 0a1b2c3d4e5f --output changes.patch",
      "workspace diff 0a1b2c3d4e5f --path src --path docs/guide.md",
    ],
    raw: ({ patch, outputPath }) => (outputPath === null ? patch : ""),
    notes: (diff) => [...notesOf(diff).map((note) => `[diff] ${note}`), summaryLine(diff)],
  },
  mcp: {
    input: {
      paths: z.array(workspaceFilePath).min(1).optional().describe("Only what is at or below these"),
      outputPath: hostPath.optional().describe("New file on the user's machine, best absolute"),
    },
    description:
      "Show what changed in a workspace since it began, edits first, as a patch for git apply. output_path writes the whole patch to a new file on the user's machine, so never retype it; paths shows a part.",
    isRead: ({ outputPath }) => outputPath === undefined,
    shortened: shortenDiff,
    text: diffText,
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, paths, outputPath }) {
    const diff = await diffWorkspace({ context, workspaceId: id, signal, onProgress }, paths);
    const written = outputPath === undefined ? null : await writePatch({ context, signal }, diff.patch, outputPath);
    return { workspaceId: id, ...diff, outputPath: written };
  },
});

function summaryLine({
  workspaceId: id,
  summary,
  outputPath,
  patchTruncated,
}: WorkspaceDiff & { workspaceId: string }) {
  const { total, added, modified, deleted, typeChanged, textPatched, nonText } = summary;
  const counts = `total=${total} added=${added} modified=${modified} deleted=${deleted} type_changed=${typeChanged} text_patched=${textPatched} non_text=${nonText}`;
  const more = `${patchTruncated ? " patch_truncated=true" : ""}${outputPath === null ? "" : ` output_path=${outputPath}`}`;
  return `[workspace-diff] workspace_id=${id} ${counts}${more}`;
}
