import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../helpers/processes.ts";
import type { Json } from "../helpers/surfaces.ts";
import { claudeCode } from "./drive/claude-code.ts";
import { codex } from "./drive/codex.ts";
import { opencode } from "./drive/opencode.ts";
import type { Step } from "./model/story.ts";
import { describeWithClients } from "./requirements.ts";
import { readable } from "./sight.ts";
import { Stage } from "./stage.ts";

describeWithClients("when a client dies in mid-command", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.create();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  const endless = (id: string, words: string): Step => ({
    tool: "workspace_exec",
    args: { workspace_id: id, command: `echo ${words}; sleep 600`, timeout_seconds: 900 },
  });
  /** As often as it is asked for, the library takes less of this host than the command line. */
  const logOf = async (id: string): Promise<readonly Json[]> =>
    (await stage.bench.sdk.call("workspace.logs", { workspaceId: id })).entries;

  test.each([claudeCode, codex, opencode])("$name: its command ends, the workspace goes on", async (client) => {
    const id = await stage.bench.create({ name: "survivor" });
    const isRunning = (count: number) => async () => {
      const entries = await logOf(id);
      return entries.length === count && entries.at(-1).stdout !== "";
    };
    const hasEnded = async () => (await logOf(id)).every(({ state }) => state !== "running");

    await using first = await stage.begin(client, [endless(id, "in the first session")]);
    await eventually(isRunning(1), 60_000, "the command of the first session runs");
    await first.killClient();
    await eventually(hasEnded, 10_000, "the command of the first session ends");

    const story = [
      { tool: "workspace_list", args: {} },
      { tool: "workspace_logs", args: { workspace_id: id } },
      endless(id, "in the second session"),
    ];
    await using second = await stage.begin(client, story);
    await eventually(isRunning(2), 60_000, "the command of the second session runs");
    await second.killTree();
    await eventually(hasEnded, 10_000, "the command of the second session ends");

    const [list = "", logs = ""] = second.model.views.at(-1)?.results ?? [];
    expect(readable(client, list)).toContain("survivor");
    expect(readable(client, list)).toContain(id);
    expect(readable(client, logs)).toContain("in the first session");
    const { entries } = await stage.bench.json(["logs", id]);
    expect(entries.map(({ stdout }: Json) => stdout)).toEqual(["in the first session\n", "in the second session\n"]);
    expect(await stage.bench.json(["status", id])).toMatchObject({ state: "started", command_count: 2 });
    expect(await stage.bench.sh(id, "pgrep -x sleep || echo none")).toBe("none\n");
    await stage.bench.run(["delete", id]);
    await stage.expectNothingLeft();
  });
});
