import type { Transport } from "@modelcontextprotocol/server";
import { PyroError } from "../../core/errors.ts";
import { networkModes } from "../../network/policy/rules.ts";
import { networkRules, type WantedNetwork } from "../../operations/network.ts";
import type { ToolsetChoice } from "../../operations/toolsets.ts";
import type { ProjectFlags } from "../../projects/start.ts";
import type { ServerSetup } from "../server.ts";
import { type ClientConnection, serveClient } from "./connection.ts";
import { setUpServer } from "./setup.ts";

/** What `pyro mcp serve` takes as flags. */
export interface ServerOptions extends ToolsetChoice, ProjectFlags, Omit<WantedNetwork, "mode"> {
  /** Environment of machines for which a model names none; default: the catalog's */
  readonly environment?: string | undefined;
  /** What machines may reach at most, and reach; default: `off` */
  readonly networkPolicy?: WantedNetwork["mode"];
  /** Called with what goes wrong on a connection and no caller is told of */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** A transport of any version of the MCP SDK, or one of the program's own. */
export interface McpTransport {
  start(): Promise<void>;
  send(message: never, options?: never): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: never, extra?: never) => void) | undefined;
}

/**
 * The MCP server inside another program, for any number of clients. It touches neither the
 * program's standard streams nor its signals, and never ends it.
 */
export class PyroServer implements AsyncDisposable {
  readonly #setup: ServerSetup;
  readonly #onError: (error: Error) => void;
  readonly #clients = new Set<ClientConnection>();
  #isClosed = false;

  private constructor(setup: ServerSetup, onError: (error: Error) => void) {
    this.#setup = setup;
    this.#onError = onError;
  }

  /** Fails if options exclude each other, or if the project that they name cannot be used. */
  static async create(
    { networkPolicy: mode, onError = () => {}, ...options }: ServerOptions,
    surroundings: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
  ): Promise<PyroServer> {
    requireNetworkPolicy(mode);
    const network = networkRules({ ...options, mode });
    return new PyroServer(
      await setUpServer({ ...options, network }, { ...surroundings, nameFlag: (flag) => flag }),
      onError,
    );
  }

  /** Serves the client at the other end of a transport until that closes. Resolves at its start. */
  async connect(transport: McpTransport): Promise<void> {
    if (this.#isClosed) {
      throw new PyroError("failed_precondition", "cannot connect a transport: the server is closed");
    }
    // The SDK takes no account of the types of its own earlier versions.
    const wire = transport as unknown as Transport;
    const started = startOf(wire);
    const client = serveClient(this.#setup, wire, this.#onError);
    this.#clients.add(client);
    void client.closed.then(() => this.#end(client));
    try {
      await started;
    } catch (error) {
      await this.#end(client);
      throw error;
    }
  }

  /** Cancels the calls that run, and closes all transports. Workspaces stay. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#clients].map((client) => this.#end(client)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(client: ClientConnection): Promise<void> {
    await client.close();
    this.#clients.delete(client);
  }
}

/** A program without types may give anything, and what is no policy must not become a ceiling. */
function requireNetworkPolicy(mode: ServerOptions["networkPolicy"]): void {
  if (mode === undefined || networkModes.includes(mode)) return;
  throw new PyroError("invalid_argument", `cannot use networkPolicy ${mode}: there is no such policy`, {
    hint: `Choose one of ${networkModes.join(", ")}.`,
  });
}

/** Settles with the start of a transport, which is made by the one that serves it. */
function startOf(transport: Transport): Promise<void> {
  const start = transport.start.bind(transport);
  return new Promise((resolve, reject) => {
    transport.start = async () => {
      const starting = start();
      starting.then(resolve, reject);
      await starting;
    };
  });
}
