import type { PyroServer, ServerOptions } from "./mcp/serving/embedded.ts";
import { PyroOperations } from "./sdk/pyro.ts";

/**
 * All of pyro's operations as methods, each like the command of the same name. It holds no process
 * and no file, and workspaces outlive it. Use it in the main thread, because the machine of `run`
 * ends with the thread that started it.
 */
export class Pyro extends PyroOperations {
  /**
   * The MCP server, for a program that connects clients to it by transports of its own. Without a
   * project source, workspaces begin with the Git checkout around the current directory.
   */
  async createServer(options: ServerOptions = {}): Promise<PyroServer> {
    // Loading the server takes as long as loading the rest, and few programs embed it.
    const { PyroServer: Server } = await import("./mcp/serving/embedded.ts");
    return Server.create(options, this.surroundings());
  }
}

/** `new Pyro().createServer(options)` */
export function createServer(options?: ServerOptions): Promise<PyroServer> {
  return new Pyro().createServer(options);
}
