import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { executionMode } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { oneLine } from "../../tree/name.ts";
import { maxPatchBytes } from "../../tree/patch/parse/parse.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { applyPatch } from "./patch.ts";
import { appliedPatch } from "./results.ts";

export const workspacePatchApply = defineOperation({
  name: "workspace.patch.apply",
  summary: "Apply a patch to a workspace, all of it or nothing",
  effect: "write",
  input: z.object({
    workspaceId,
    patch: z.string().describe("Unified diff, *** Begin Patch, or SEARCH/REPLACE blocks"),
  }),
  output: z.object({
    workspaceId: z.string(),
    changed: z.boolean(),
    ...appliedPatch.shape,
    executionMode,
  }),
  cli: {
    positionals: ["workspaceId"],
    fileFlags: {
      patch: {
        flag: "patch-file",
        description: "File on this host with the patch; - for standard input",
        maxBytes: maxPatchBytes,
      },
    },
    examples: ["workspace patch apply 0a1b2c3d4e5f --patch-file fix.patch"],
    text: ({ workspaceId: id, summary: { total, added, modified, deleted }, entries, ...applied }) =>
      [
        ...entries.map(({ path, status }) => `${status} ${oneLine(path)}\n`),
        ...(total > entries.length ? [`… and ${total - entries.length} more\n`] : []),
        ...applied.adjusted.map((what) => `adjusted: ${oneLine(what)}\n`),
        `[workspace-patch-apply] workspace_id=${id} total=${total} added=${added} modified=${modified} deleted=${deleted} execution_mode=${applied.executionMode}\n`,
      ].join(""),
  },
  mcp: {
    description:
      "Change several places or files of a workspace with one patch: all of it applies or nothing. adjusted says what was read otherwise than written.",
    shortened: (output, maxChars) => {
      const adjusted = fitting(output.adjusted, maxChars / 2);
      const left = output.adjusted.length - adjusted.length;
      const told = left === 0 ? adjusted : [...adjusted, `… and ${left} more`];
      return { ...output, adjusted: told, entries: fitting(output.entries, maxChars / 2 - 400) };
    },
  },
  async handle({ engine: context, signal }, { workspaceId: id, patch }) {
    const applied = await applyPatch({ context, workspaceId: id, signal }, patch);
    return { ...applied, workspaceId: id, changed: applied.summary.total > 0, executionMode: "guest" as const };
  },
});
