import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { EngineContext } from "../src/machines/context.ts";
import { environmentName, ignoreOutput, open } from "./machines.ts";
import { timeMs } from "./statistics.ts";
import type { Record } from "./workspaces.ts";

const rounds = 30;
const startRounds = 7;
const pyroPath = fileURLToPath(new URL("../bin/pyro.js", import.meta.url));

/**
 * What a tool call costs beside the same command given to the agent of a machine directly, in turn.
 */
export async function measureMcp(context: EngineContext, env: NodeJS.ProcessEnv, record: Record): Promise<void> {
  for (let round = 0; round < startRounds; round++) await measureStart(env, record);
  await using machine = await open(context);
  await using server = await connect(env);
  const { workspace_id } = await server.call("workspace_create", { environment: environmentName });
  const spec = { shell: "true", timeoutMs: 30_000, stdin: false };
  const direct = () => machine.exec(spec, ignoreOutput);
  const tool = () => server.call("workspace_exec", { workspace_id, command: "true" });
  await direct();
  await tool();
  for (let round = 0; round < rounds; round++) {
    record("agent, exec of the shell text `true`", "ms", await timeMs(direct));
    record("workspace_exec of `true` over MCP", "ms", await timeMs(tool));
  }
  await server.call("workspace_delete", { workspace_id });
}

async function measureStart(env: NodeJS.ProcessEnv, record: Record): Promise<void> {
  const startedMs = performance.now();
  await using server = await connect(env);
  record("pyro mcp serve, from its start to the answer to initialize", "ms", performance.now() - startedMs);
  await server.client.listTools();
  record("pyro mcp serve, from its start to its tools", "ms", performance.now() - startedMs);
}

interface ToolServer extends AsyncDisposable {
  readonly client: Client;
  call(name: string, args: { [name: string]: unknown }): Promise<{ [name: string]: unknown }>;
}

async function connect(env: NodeJS.ProcessEnv): Promise<ToolServer> {
  const client = new Client({ name: "bench", version: "1.0.0" });
  const args = [pyroPath, "mcp", "serve", "--no-project-source"];
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args, env: env as { [name: string]: string } }),
  );
  return {
    client,
    async call(name, toolArguments) {
      const { isError, content, structuredContent } = await client.callTool({ name, arguments: toolArguments });
      if (isError || typeof structuredContent !== "object") throw new Error(JSON.stringify(content));
      return structuredContent as { [name: string]: unknown };
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
