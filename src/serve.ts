import { main as commandLine } from "./cli/main.ts";
import { serve } from "./mcp/main.ts";

type HostEnvironment = Parameters<typeof commandLine>[1];

/**
 * The command line with the MCP server. It is a separate bundle, so that other commands do not load
 * the server.
 */
export function main(argv: readonly string[], env: HostEnvironment, cwd: string): Promise<number> {
  return commandLine(argv, env, (flags, signal) => serve(flags, { env, cwd, signal }));
}
