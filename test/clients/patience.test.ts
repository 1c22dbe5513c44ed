import { afterAll, beforeAll, test } from "vitest";
import { clients } from "./drive/clients.ts";
import { theWorkspace } from "./model/story.ts";
import { describeWithClients } from "./requirements.ts";
import { expectScenes, type Scene } from "./sight.ts";
import { Stage } from "./stage.ts";

const workspace = { workspace_id: theWorkspace };
const logs = { tool: "workspace_logs", args: { ...workspace, sequence: 1, wait_seconds: 30 } };
const scenes: readonly Scene[] = [
  { tool: "workspace_create", args: { environment: "debian:12" }, says: [] },
  {
    tool: "workspace_exec",
    args: { ...workspace, command: "echo first; sleep 9; echo $((40 + 2))", timeout_seconds: 60 },
    fields: { sequence: 1, running: true, exit_code: null, stdout: "first\n" },
    says: ["first\n", "still running", "workspace_logs"],
  },
  // Waits as long as the client's patience allows, and with luck until the end.
  { ...logs, fields: { count: 1 }, says: ["first\n"] },
  {
    ...logs,
    fields: { entries: [{ sequence: 1, state: "ended", exit_code: 0, stdout: "first\n42\n" }] },
    says: ["first\n42\n"],
  },
  { tool: "workspace_delete", args: workspace, says: [] },
];

describeWithClients("a command that outlives its client's patience", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.create();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.concurrent.each(clients)("goes on, and is picked up, in $name", async (client) => {
    const { results } = await stage.play(client, scenes, { env: { PYRO_MCP_PATIENCE_SECONDS: "6" } });
    expectScenes(client, scenes, results);
  });
});
