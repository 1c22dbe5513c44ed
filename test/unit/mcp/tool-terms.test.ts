import { expect, test } from "vitest";
import { type Hint, hint, named, sayHint, toRun } from "../../../src/core/hint.ts";
import { toolsOf } from "../../../src/mcp/tool.ts";
import { sayWithTools } from "../../../src/mcp/tool-terms.ts";
import { toolsetOf } from "../../../src/operations/toolsets.ts";

const all = toolsOf(toolsetOf({ profile: "workspace-full" }));
const few = toolsOf(toolsetOf({ mode: "inspect" }));
const id = { workspaceId: "0a1b" };

test.each<[Hint, string]>([
  [hint`${toRun("workspace.list")}.`, "Call `workspace_list`."],
  [
    hint`${toRun("workspace.start", id)}; its files are kept.`,
    'Call `workspace_start(workspace_id="0a1b")`; its files are kept.',
  ],
  [
    hint`${toRun("workspace.reset", { ...id, snapshot: "one" })}, or ${toRun("workspace.delete", id)}.`,
    'Call `workspace_reset(workspace_id="0a1b", snapshot="one")`, or call `workspace_delete(workspace_id="0a1b")`.',
  ],
  [hint`Look with ${named("workspace.snapshot.list", id)}.`, 'Look with `snapshot_list(workspace_id="0a1b")`.'],
  [hint`${toRun("doctor")}.`, "Ask the user to run `pyro doctor`."],
  [
    hint`Try again, or ${toRun("env.pull", { environment: "debian:12" })}.`,
    "Try again, or ask the user to run `pyro env pull debian:12`.",
  ],
  [["Not a call: `git add`."], "Not a call: `git add`."],
])("%j", (said, expected) => {
  expect(sayHint(said, sayWithTools(all))).toBe(expected);
});

test("what the model has no tool for is for its user", () => {
  expect(sayHint(hint`${toRun("workspace.start", id)}.`, sayWithTools(few))).toBe(
    "Ask the user to run `pyro workspace start 0a1b`.",
  );
});
