import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clients } from "./drive/clients.ts";
import { codexCodeMode } from "./drive/codex.ts";
import { listTools } from "./model/openai-responses.ts";
import { describeWithClients } from "./requirements.ts";
import { expectScenes } from "./sight.ts";
import { Stage } from "./stage.ts";
import { reproFix } from "./stories/repro-fix.ts";

describeWithClients("a bug is reproduced and fixed", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.create();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.each(clients)("in $name", async (client) => {
    const outputPath = stage.bench.hostPath(`greet of ${client.name}.sh`);
    const story = reproFix(stage.projectDir, outputPath);
    const { first, results } = await stage.play(client, story);

    expect(first.system).toContain("workspace_create makes one");
    if (client.offersTools) {
      const offered = first.tools.map(({ name }) => name);
      expect(story.map(({ tool }) => tool).filter((tool) => !offered.includes(tool))).toEqual([]);
    }
    expectScenes(client, story, results);
    expect(await readFile(outputPath, "utf8")).toContain(`name=\${1:-world}`);
    await stage.expectNothingLeft();
  });

  test("by a model that must look for tools, and finds them", async () => {
    const { results } = await stage.play(codexCodeMode, [{ tool: listTools, args: {} }]);
    const found = results[0] ?? "";
    for (const { tool } of reproFix("", "")) expect(found).toContain(`mcp__pyro__${tool}(args: {`);
    // Those of a result too: it is written against.
    expect(found).toMatch(/exit_code\??: number/);
  });
});
