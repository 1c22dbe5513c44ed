import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { serverName } from "../model/api.ts";
import { openaiChat } from "../model/openai-chat.ts";
import type { Client, ClientSetup } from "./client.ts";

/**
 * OpenCode: `run` runs one prompt, or one command, which is what it makes of a server's prompt. It
 * allows all tools unless told otherwise.
 */
export const opencode: Client = {
  name: "OpenCode",
  api: openaiChat,
  showsStructure: false,
  offersTools: true,
  hasPrompts: true,
  async prepare(setup) {
    const { binDir, homeDir, prompt } = setup;
    const configDir = join(homeDir, ".config/opencode");
    await mkdir(configDir, { recursive: true });
    await writeFile(join(configDir, "opencode.json"), JSON.stringify(configFor(setup)));
    const said =
      "text" in prompt ? [prompt.text] : ["--command", `${serverName}:${prompt.command}`, ...prompt.words.split(" ")];
    return {
      // Without a title it asks its model for one.
      command: [join(binDir, "opencode"), "run", "--title", "a test", ...said],
      env: { OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_LSP_DOWNLOAD: "1" },
    };
  },
};

function configFor({ modelUrl, server }: ClientSetup) {
  const model = { name: "loopback", tool_call: true, limit: { context: 200_000, output: 8_000 } };
  return {
    autoupdate: false,
    share: "disabled",
    model: "loopback/loopback",
    small_model: "loopback/loopback",
    provider: {
      loopback: {
        // Part of OpenCode, although it is named like a package
        npm: "@ai-sdk/openai-compatible",
        options: { baseURL: `${modelUrl}/v1`, apiKey: "none" },
        models: { loopback: model },
      },
    },
    mcp: {
      [serverName]: {
        type: "local",
        command: [server.command, ...server.args],
        environment: server.env,
        enabled: true,
      },
    },
  };
}
