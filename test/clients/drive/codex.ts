import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelApi, serverName } from "../model/api.ts";
import { openaiCodeMode, openaiResponses } from "../model/openai-responses.ts";
import type { Client, ClientSetup } from "./client.ts";

/** With a model that it does not know, which calls tools one by one */
export const codex: Client = codexWith("Codex", "loopback", openaiResponses);

/** With a model that it knows, which writes programs */
export const codexCodeMode: Client = codexWith("Codex, code mode", "gpt-6-sol", openaiCodeMode);

function codexWith(name: string, model: string, api: ModelApi): Client {
  return {
    name,
    api,
    showsStructure: true,
    offersTools: api === openaiResponses,
    hasPrompts: false,
    async prepare(setup) {
      const { binDir, homeDir, prompt } = setup;
      const configDir = join(homeDir, ".codex");
      await mkdir(configDir);
      await writeFile(join(configDir, "config.toml"), configFor(setup, model));
      if (!("text" in prompt)) throw new Error("Codex shows no prompts of MCP servers");
      return { command: [join(binDir, "codex"), "exec", "--skip-git-repo-check", prompt.text], env: {} };
    },
  };
}

/**
 * Codex: `exec` runs one prompt. It does not ask a user who is not there ("never"), so that tools
 * which could ask must be approved in advance. An optional server that does not answer within a
 * second is left out; `required` makes it wait, so that a loaded machine spoils no test.
 */
function configFor({ modelUrl, server }: ClientSetup, model: string): string {
  const quoted = JSON.stringify;
  const env = Object.entries(server.env).map(([name, value]) => `${name} = ${quoted(value)}`);
  return `model = "${model}"
model_provider = "loopback"
approval_policy = "never"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.loopback]
name = "loopback"
base_url = ${quoted(`${modelUrl}/v1`)}
wire_api = "responses"

[mcp_servers.${serverName}]
command = ${quoted(server.command)}
args = ${quoted(server.args)}
env = { ${env.join(", ")} }
default_tools_approval_mode = "approve"
required = true
`;
}
