import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { anthropicMessages } from "../model/anthropic-messages.ts";
import { serverName } from "../model/api.ts";
import type { Client } from "./client.ts";

/**
 * Claude Code: `-p` runs one prompt without a terminal; the server comes from a file as `.mcp.json`
 * would be, and from nowhere else. Every tool must be granted (`--dangerously-skip-permissions`
 * would do too, but not for root).
 */
export const claudeCode: Client = {
  name: "Claude Code",
  api: anthropicMessages,
  showsStructure: true,
  offersTools: true,
  hasPrompts: true,
  async prepare({ binDir, homeDir, modelUrl, server, prompt }) {
    const mcpConfig = join(homeDir, "mcp.json");
    await writeFile(mcpConfig, JSON.stringify({ mcpServers: { [serverName]: { type: "stdio", ...server } } }));
    const said = "text" in prompt ? prompt.text : `/mcp__${serverName}__${prompt.command} ${prompt.words}`;
    const flags = ["--mcp-config", mcpConfig, "--strict-mcp-config", "--allowedTools", `mcp__${serverName}__*`];
    return {
      command: [join(binDir, "claude"), "-p", said, ...flags],
      env: {
        ANTHROPIC_BASE_URL: modelUrl,
        ANTHROPIC_API_KEY: "none",
        // Telemetry, error reports, updates, and titles
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
      },
    };
  },
};
