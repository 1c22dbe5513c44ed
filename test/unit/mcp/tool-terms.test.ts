import { expect, test } from "vitest";
import { toolsOf } from "../../../src/mcp/tool.ts";
import { inToolTerms } from "../../../src/mcp/tool-terms.ts";
import { toolsetOf } from "../../../src/operations/toolsets.ts";

const all = toolsOf(toolsetOf({ profile: "workspace-full" }));
const few = toolsOf(toolsetOf({ mode: "inspect" }));

test.each([
  ["Run `pyro workspace list`.", "Call `workspace_list`."],
  [
    "Run `pyro workspace start 0a1b`; its files are kept.",
    'Call `workspace_start(workspace_id="0a1b")`; its files are kept.',
  ],
  [
    "Run `pyro workspace reset 0a1b --snapshot one`, or run `pyro workspace delete 0a1b`.",
    'Call `workspace_reset(workspace_id="0a1b", snapshot="one")`, or call `workspace_delete(workspace_id="0a1b")`.',
  ],
  ["Look with `pyro workspace snapshot list 0a1b`.", 'Look with `snapshot_list(workspace_id="0a1b")`.'],
  ["Run `pyro doctor`.", "Ask the user to run `pyro doctor`."],
  ["Try again, or run `pyro env pull debian:12`.", "Try again, or ask the user to run `pyro env pull debian:12`."],
  ["Nothing of ours: `git add`.", "Nothing of ours: `git add`."],
])("%s", (text, expected) => {
  expect(inToolTerms(text, all)).toBe(expected);
});

test("what the model has no tool for is for its user", () => {
  expect(inToolTerms("Run `pyro workspace start 0a1b`.", few)).toBe("Ask the user to run `pyro workspace start 0a1b`.");
});
