import { Client, type Transport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { snakeCase } from "../../src/core/snake-case.ts";
import { toolName } from "../../src/mcp/tool.ts";
import { pyroPath } from "./cli.ts";
import { type Json, operationNamed, type Refusal, type Surface } from "./surfaces.ts";

export const eras = ["legacy", "modern"] as const;
export type Era = (typeof eras)[number];

export interface McpOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly era?: Era;
  readonly clientName?: string;
  /** What the client's user has opened; default: the client does not say */
  readonly roots?: readonly string[];
}

export interface ToolResult {
  readonly isError: boolean;
  readonly text: string;
  readonly structured: Json;
  /** What a program can know of an error */
  readonly error: Refusal | undefined;
}

/** A client of a server of its own. */
export class McpSession implements AsyncDisposable {
  readonly client: Client;
  /** The server's process, if it has one of its own */
  readonly pid: number;
  readonly #served: Promise<unknown>;

  private constructor(client: Client, pid: number, served: Promise<unknown>) {
    this.client = client;
    this.pid = pid;
    this.#served = served;
  }

  /** Starts the server as clients start it. */
  static async open(options: McpOptions): Promise<McpSession> {
    const { args = [], env = {}, cwd } = options;
    const surroundings = { ...process.env, ...env };
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [pyroPath, "mcp", "serve", ...args],
      env: Object.fromEntries(
        Object.entries(surroundings).filter((pair): pair is [string, string] => pair[1] !== undefined),
      ),
      ...(cwd === undefined ? {} : { cwd }),
      stderr: "pipe",
    });
    return McpSession.over(transport, options);
  }

  /** `served` settles when the server has ended. */
  static async over(
    transport: Transport & { readonly pid?: number | null },
    { era = "legacy", clientName, roots }: McpOptions,
    served: Promise<unknown> = Promise.resolve(),
  ): Promise<McpSession> {
    const client = new Client(
      { name: clientName ?? "test", version: "1.0.0" },
      {
        capabilities: roots ? { roots: {} } : {},
        versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } },
      },
    );
    if (roots) client.setRequestHandler("roots/list", () => ({ roots: roots.map((uri) => ({ uri })) }));
    await client.connect(transport);
    // From now on it checks every result against the schema that it was told.
    await client.listTools();
    return new McpSession(client, transport.pid ?? Number.NaN, served);
  }

  async call(name: string, args: Record<string, unknown> = {}, signal?: AbortSignal): Promise<ToolResult> {
    const timeout = 110_000;
    const result = await this.client.callTool({ name, arguments: args }, { timeout, ...(signal ? { signal } : {}) });
    const [first] = result.content as { text?: string }[];
    const error = result._meta?.["pyro-mcp/error"] as Refusal | undefined;
    return { isError: result.isError === true, text: first?.text ?? "", structured: result.structuredContent, error };
  }

  /** The result of a call that must not fail */
  async ok(name: string, args: Record<string, unknown> = {}): Promise<Json> {
    const { isError, text, structured } = await this.call(name, args);
    if (isError) throw new Error(`${name}: ${text}`);
    return structured;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.#served;
  }
}

/** Everything through one `pyro mcp serve`, which starts with the first call. */
export function mcpSurface(env: Readonly<Record<string, string>>): Surface & AsyncDisposable {
  let opening: Promise<McpSession> | undefined;
  const call = async (name: string, input: Readonly<Record<string, unknown>>): Promise<ToolResult> => {
    opening ??= McpSession.open({ env, args: ["--profile", "workspace-full", "--no-project-source"] });
    return (await opening).call(toolName(operationNamed(name)), argumentsOf(input));
  };
  return {
    name: "the MCP server",
    async [Symbol.asyncDispose]() {
      await (await opening)?.[Symbol.asyncDispose]();
    },
    async call(name, input = {}) {
      const { isError, text, structured } = await call(name, input);
      if (isError) throw new Error(`${name}: ${text}`);
      return structured;
    },
    async refusal(name, input = {}) {
      const { error, text } = await call(name, input);
      if (!error) throw new Error(`${name} was not refused: ${text}`);
      return error;
    },
  };
}

function argumentsOf(input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(input).map(([field, value]) => [snakeCase(field), field === "command" ? shellText(value) : value]),
  );
}

function shellText(command: unknown): unknown {
  if (!Array.isArray(command)) return command;
  return command.map((word) => `'${String(word).replaceAll("'", "'\\''")}'`).join(" ");
}
