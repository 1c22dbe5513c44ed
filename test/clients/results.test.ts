import { afterAll, beforeAll, expect, test } from "vitest";
import { clients } from "./drive/clients.ts";
import { theWorkspace } from "./model/story.ts";
import { describeWithClients } from "./requirements.ts";
import { expectScenes, type Scene } from "./sight.ts";
import { Stage } from "./stage.ts";

const workspace = { workspace_id: theWorkspace };
const unfitting = `--- a/src/greet.sh
+++ b/src/greet.sh
@@ -1,2 +1,2 @@
 # no such line
-greet() {
+welcome() {
`;

const scenes: readonly Scene[] = [
  { tool: "workspace_create", args: { environment: "debian:12" }, says: [] },
  {
    tool: "workspace_exec",
    args: { ...workspace, command: "seq 1 40000; echo at the end >&2; exit 3" },
    // More than any of them shows: cut by us, in the middle, not by them, anywhere.
    fields: {
      exit_code: 3,
      truncated: true,
      stderr: "at the end\n",
      stdout: expect.stringMatching(/^1\n2\n3\n.*\n39999\n40000\n$/s),
    },
    says: ["1\n2\n3\n", "\n39999\n40000\n", "at the end", "exit code 3"],
  },
  // Progress as what it leaves, then the history as last lines.
  {
    tool: "workspace_exec",
    args: { ...workspace, command: String.raw`seq 5000 | sed 's/^/\r\x1b[K\x1b[32m/' | tr -d '\n'; echo; echo done` },
    fields: { stdout: "5000\ndone\n" },
    says: ["5000\ndone\n"],
  },
  {
    tool: "workspace_logs",
    args: workspace,
    fields: {
      count: 2,
      entries: [
        { sequence: 1, exit_code: 3, stdout: expect.stringMatching(/^\[… sequence=1 .*\n39999\n40000\n$/s) },
        { sequence: 2, exit_code: 0, stdout: "5000\ndone\n" },
      ],
    },
    says: ["[… sequence=1 shows what is before …]", "\n39999\n40000\n", "5000\ndone\n"],
  },
  {
    tool: "workspace_exec",
    args: { workspace_id: "ffffffffffff", command: "true" },
    says: ["there is no workspace 'ffffffffffff'", "workspace_list"],
  },
  {
    tool: "workspace_patch_apply",
    args: { ...workspace, patch: unfitting },
    says: ["cannot apply patch to 'src/greet.sh'"],
  },
  {
    tool: "workspace_exec",
    args: { ...workspace, command: "true", timeout_seconds: "soon" },
    says: ["timeout_seconds", "number"],
  },
  { tool: "workspace_exec", args: { ...workspace, cmd: "true" }, says: ["'cmd'", "command"] },
  { tool: "workspace_file_read", args: { ...workspace, path: "logo.bin" }, says: ["logo.bin", "UTF-8"] },
  { tool: "workspace_file_read", args: { ...workspace, path: "missing.txt" }, says: ["missing.txt"] },
  { tool: "workspace_delete", args: workspace, says: [] },
];

describeWithClients("a model sees", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.create();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.each(clients)("both ends of long output, and what was wrong with a call, in $name", async (client) => {
    const { results } = await stage.play(client, scenes);
    expectScenes(client, scenes, results);
    await stage.expectNothingLeft();
  });
});
