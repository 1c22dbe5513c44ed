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

/** Names of the figures that have a limit relative to the first. */
export const liveNames = {
  exec: "workspace_exec of a program over MCP, in turn with the next",
  serviceStart: "service_start over MCP",
  shellOpen: "shell_open over MCP",
  shellRead: "shell_read over MCP, plain",
} as const;

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
  await measureLive(server, workspace_id, record);
  await server.call("workspace_delete", { workspace_id });
}

/** What begins or reads something that lives on, beside a command, in turn. */
async function measureLive({ call }: ToolServer, workspace_id: unknown, record: Record): Promise<void> {
  const timed = async (name: string, tool: string, input: { [name: string]: unknown }) => {
    const startedMs = performance.now();
    const result = await call(tool, { workspace_id, ...input });
    record(name, "ms", performance.now() - startedMs);
    return result;
  };
  const service = { service_name: "bench" };
  for (let round = 0; round < rounds; round++) {
    await timed(liveNames.exec, "workspace_exec", { command: "true" });
    await timed(liveNames.serviceStart, "service_start", { ...service, command: "exec sleep 1000" });
    await call("service_stop", { workspace_id, ...service });
    const { shell_id } = await timed(liveNames.shellOpen, "shell_open", {});
    await call("shell_read", { workspace_id, shell_id, wait_for: "prompt" });
    await timed(liveNames.shellRead, "shell_read", { shell_id, plain: true });
    await call("shell_close", { workspace_id, shell_id });
  }
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
  const args = [pyroPath, "mcp", "serve", "--no-project-source", "--profile", "workspace-full"];
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
