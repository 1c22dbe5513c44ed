import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { capture } from "../../src/host/process.ts";
import type { Json } from "../helpers/surfaces.ts";
import { describeWithInspector } from "./requirements.ts";
import { Stage } from "./stage.ts";

/** What a newcomer tries first with the server. */
describeWithInspector("the MCP Inspector", () => {
  let stage: Stage;
  let id: string;
  beforeAll(async () => {
    stage = await Stage.create();
    id = await stage.bench.create({ name: "looked-at" });
    await stage.bench.sh(id, "echo seen by the inspector");
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  async function inspect(method: string, ...args: readonly string[]): Promise<Json> {
    const { command, args: serverArgs, env } = stage.serverCommand();
    const program = join(inject("clientPaths").inspector, "node_modules/.bin/mcp-inspector");
    const settings = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const words = [program, "--cli", ...settings, command, ...serverArgs, "--method", method, ...args];
    const run = await capture(words as [string, ...string[]], { timeoutMs: 60_000, cwd: stage.projectDir });
    expect(run.exitCode, run.stderr).toBe(0);
    return JSON.parse(run.stdout);
  }

  test("lists tools, with schemas for both directions", async () => {
    const { tools } = await inspect("tools/list");
    expect(tools.map(({ name }: Json) => name)).toContain("workspace_create");
    for (const { inputSchema, outputSchema } of tools) {
      expect(inputSchema.type).toBe("object");
      expect(outputSchema.type).toBe("object");
    }
  });

  test("calls tools", async () => {
    const { structuredContent, isError } = await inspect("tools/call", "--tool-name", "workspace_list");
    expect(isError).toBeUndefined();
    expect(structuredContent).toMatchObject({ count: 1, workspaces: [{ workspace_id: id, name: "looked-at" }] });
    const args = ["--tool-name", "workspace_status", "--tool-arg", "workspace_id=ffffffffffff"];
    expect(await inspect("tools/call", ...args)).toMatchObject({ isError: true });
  });

  test("reads resources", async () => {
    const uri = `pyro://workspaces/${id}/logs`;
    const { resources } = await inspect("resources/list");
    expect(resources.map((resource: Json) => resource.uri)).toContain(uri);
    const { contents } = await inspect("resources/read", "--uri", uri);
    expect(contents[0].text).toContain("seen by the inspector");
    const { resourceTemplates } = await inspect("resources/templates/list");
    expect(resourceTemplates.map(({ uriTemplate }: Json) => uriTemplate)).toContain(
      "pyro://workspaces/{workspace_id}/logs",
    );
  });

  test("gets prompts", async () => {
    const { prompts } = await inspect("prompts/list");
    expect(prompts.map(({ name }: Json) => name)).toContain("repro-fix");
    const { messages } = await inspect("prompts/get", "--prompt-name", "repro-fix");
    expect(messages[0].content.text).toContain("workspace_create");
  });
});
