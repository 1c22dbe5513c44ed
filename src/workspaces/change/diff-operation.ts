import * as z from "zod";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceFilePath, workspaceId } from "../life/workspace-view.ts";
import { type DiffEntry, diffSchema } from "./changes.ts";
import { diffWorkspace } from "./diff.ts";
import { diffText, shortenDiff } from "./diff-view.ts";

export const workspaceDiff = defineOperation({
  name: "workspace.diff",
  summary: "Show what differs from the files that the workspace began with",
  effect: "read",
  input: z.object({
    workspaceId,
    paths: z.array(workspaceFilePath).min(1).optional().describe("Only what is at or below this path; repeatable"),
  }),
  output: z.object({ workspaceId: z.string(), ...diffSchema.shape }),
  cli: {
    positionals: ["workspaceId"],
    examples: [
      "workspace diff 0a1b2c3d4e5f",
      "workspace diff 0a1b2c3d4e5f > changes.patch",
      "workspace diff 0a1b2c3d4e5f --path src --path docs/guide.md",
    ],
    raw: ({ patch }) => patch,
    notes: ({ workspaceId: id, entries, summary, truncated }) => [
      ...nonTextLines(entries),
      ...ignoredLine(entries),
      ...(truncated ? ["[warning] some content is too large for the patch, which does not have it: export it"] : []),
      `[workspace-diff] workspace_id=${id} total=${summary.total} added=${summary.added} modified=${summary.modified} deleted=${summary.deleted} type_changed=${summary.typeChanged} text_patched=${summary.textPatched} non_text=${summary.nonText}${truncated ? " truncated=true" : ""}`,
    ],
  },
  mcp: {
    input: { paths: z.array(workspaceFilePath).min(1).optional().describe("Only what is at or below these") },
    description:
      "Show what a workspace changed since the start, as a patch for git apply. Of a large one, paths shows a part.",
    shortened: shortenDiff,
    text: diffText,
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, paths }) {
    return { workspaceId: id, ...(await diffWorkspace({ context, workspaceId: id, signal, onProgress }, paths)) };
  },
});

function ignoredLine(entries: readonly DiffEntry[]): string[] {
  const count = entries.filter(({ ignored }) => ignored).length;
  return count === 0 ? [] : [`[ignored] ${count} new files that the project ignores are not in the patch`];
}

const maxNonTextLines = 20;

/** Names what a reader of the patch does not see as text. Directories have none to show. */
function nonTextLines(entries: readonly DiffEntry[]): string[] {
  const unseen = entries.filter(({ textPatch, artifactType }) => textPatch === null && artifactType !== "directory");
  const lines = unseen.slice(0, maxNonTextLines).map(({ status, path }) => `[non-text] ${status} ${path}`);
  const more = unseen.length - lines.length;
  return more > 0 ? [...lines, `[non-text] … and ${more} more`] : lines;
}
