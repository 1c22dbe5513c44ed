import { InMemoryTransport } from "@modelcontextprotocol/client";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { main } from "../../src/cli/main.ts";
import { composeEngineContext } from "../../src/compose.ts";
import { createServer } from "../../src/mcp/server.ts";
import { toolsetOf } from "../../src/operations/toolsets.ts";
import { startOf } from "../../src/projects/start.ts";
import { withoutLeftListeners } from "./cli-in-process.ts";
import { type McpOptions, McpSession } from "./mcp.ts";

/**
 * A client of a server in this process, for what the server says, of which there is much. A process
 * of its own takes 0.6 s. Flags are read by the command line; streams and signals are left out.
 */
export async function openMcpInProcess(options: McpOptions): Promise<McpSession> {
  const { args = [], env = {}, cwd = process.cwd() } = options;
  const surroundings = { ...process.env, ...env };
  const [transport, serverSide] = InMemoryTransport.createLinkedPair();
  const served = runServer(["mcp", "serve", ...args], surroundings, async (flags) => {
    const engine = composeEngineContext(surroundings);
    const [toolset, start] = [toolsetOf(flags), startOf(flags, cwd)];
    const closed = new Promise<void>((resolve) => {
      transport.onclose = resolve;
    });
    const connection = serveStdio(
      ({ era }) => createServer({ engine, toolset, start, network: flags.network, era }).server,
      {
        transport: serverSide,
      },
    );
    await closed;
    await connection.close();
  });
  const endsEarly = served.then((exitCode) => Promise.reject(new Error(`the server ended with ${exitCode}`)));
  return Promise.race([McpSession.over(transport, options, served), endsEarly]);
}

async function runServer(...call: Parameters<typeof main>): Promise<number> {
  using _stdout = withoutLeftListeners(process.stdout);
  using _stderr = withoutLeftListeners(process.stderr);
  return await main(...call);
}
