import { InMemoryTransport } from "@modelcontextprotocol/client";
import { main } from "../../src/cli/main.ts";
import { serveClient } from "../../src/mcp/serving/connection.ts";
import { setUpServer } from "../../src/mcp/serving/setup.ts";
import { flagName } from "../../src/operations/command-line.ts";
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
    const setup = await setUpServer(flags, { env: surroundings, cwd, nameFlag: flagName });
    const connection = serveClient(setup, serverSide, () => {});
    await connection.closed;
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
