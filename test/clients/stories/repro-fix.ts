import { expect } from "vitest";
import { theWorkspace } from "../model/story.ts";
import { fix } from "../project.ts";
import type { Scene } from "../sight.ts";

const workspace = { workspace_id: theWorkspace };
const runTest = { tool: "workspace_exec", args: { ...workspace, command: "sh test.sh", timeout_seconds: 20 } };
const fails = {
  fields: { exit_code: 1, stdout: "ok: Hello, Ada!\nFAIL: got 'Hello, !', want 'Hello, world!'\n" },
  says: ["ok: Hello, Ada!", "FAIL: got 'Hello, !', want 'Hello, world!'", "exit code 1"],
};

/**
 * A bug is reproduced in a workspace of the user's project, fixed, and handed over; then all of it
 * is undone and deleted.
 */
export function reproFix(projectDir: string, outputPath: string): readonly Scene[] {
  return [
    {
      tool: "workspace_create",
      args: { environment: "debian:12", name: "greeting" },
      fields: {
        name: "greeting",
        environment: "debian:12",
        state: "started",
        workspace_path: "/workspace",
        workspace_seed: { origin_kind: "project_path", origin_ref: projectDir },
      },
      says: ["greeting", "debian:12", projectDir],
    },
    {
      tool: "workspace_exec",
      args: { ...workspace, command: "ls -A; cat changed.txt 'docs and notes/read me.txt'" },
      fields: {
        exit_code: 0,
        // What git knows, as it is in the working tree.
        stdout: [
          ...[".gitignore", "changed.txt", "docs and notes", "logo.bin", "src", "test.sh"],
          ...["as edited since", "naïve – 文", ""],
        ].join("\n"),
      },
      says: ["docs and notes\nlogo.bin\nsrc\ntest.sh\n", "as edited since", "naïve – 文"],
    },
    { ...runTest, ...fails },
    {
      tool: "workspace_file_read",
      args: { ...workspace, path: "src/greet.sh" },
      fields: { path: "/workspace/src/greet.sh", content: expect.stringContaining("  name=$1\n") },
      says: ["# Greets its argument, or the world if there is none.\n", "  name=$1\n"],
    },
    {
      tool: "workspace_patch_apply",
      args: { ...workspace, patch: fix },
      fields: { changed: true, entries: [{ path: "/workspace/src/greet.sh", status: "modified" }] },
      says: ["modified", "src/greet.sh"],
    },
    {
      ...runTest,
      fields: { exit_code: 0, stdout: "ok: Hello, Ada!\nok: Hello, world!\n" },
      says: ["ok: Hello, Ada!\nok: Hello, world!\n", "exit code 0"],
    },
    {
      tool: "workspace_diff",
      args: workspace,
      fields: {
        changed: true,
        patch_truncated: false,
        entries_truncated: false,
        summary: { total: 1, modified: 1, text_patched: 1 },
        patch: expect.stringContaining(`\n-  name=$1\n+  name=\${1:-world}\n`),
      },
      says: [
        // Nothing between the count and the patch: all of it is there.
        "1 change: 0 added, 1 modified, 0 deleted\n\ndiff --git a/src/greet.sh b/src/greet.sh\n",
        `\n-  name=$1\n+  name=\${1:-world}\n`,
      ],
    },
    {
      tool: "workspace_export",
      args: { ...workspace, path: "src/greet.sh", output_path: outputPath },
      fields: { output_path: outputPath, artifact_type: "file", entry_count: 1 },
      says: [outputPath],
    },
    {
      tool: "workspace_summary",
      args: workspace,
      fields: {
        outcome: { command_count: 3, export_count: 1, reset_count: 0 },
        changes: { available: true, changed: true, summary: { total: 1 } },
      },
      says: ["sh test.sh", "src/greet.sh", outputPath],
    },
    {
      tool: "workspace_reset",
      args: workspace,
      fields: { state: "started", reset_count: 1, command_count: 0 },
      says: ["started", "baseline"],
    },
    { ...runTest, ...fails },
    { tool: "workspace_delete", args: workspace, fields: { deleted: true }, says: ["Deleted"] },
  ];
}
