import { afterAll, beforeAll, expect, test } from "vitest";
import { clients } from "./drive/clients.ts";
import { describeWithClients } from "./requirements.ts";
import { Stage } from "./stage.ts";

describeWithClients("a prompt of the server is a command", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.create();
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.each(clients.filter(({ hasPrompts }) => hasPrompts))("with words behind it, in $name", async (client) => {
    const words = "sh test.sh greets no one";
    const { first } = await stage.play(client, [], { prompt: { command: "repro-fix", words } });
    expect(first.prompt).toContain("workspace_create");
    // Clients make arguments of words, each in its own way: none may be lost, nor be taken for
    // something else.
    expect(first.prompt).toContain(words);
    expect(first.prompt.replaceAll(words, "")).not.toContain("test.sh");
  });
});
