import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { pyroPath } from "./cli.ts";
import type { Json } from "./surfaces.ts";

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
}

/** A client of a server of its own, started as clients start it. */
export class McpSession implements AsyncDisposable {
  readonly client: Client;
  readonly #transport: StdioClientTransport;

  private constructor(client: Client, transport: StdioClientTransport) {
    this.client = client;
    this.#transport = transport;
  }

  static async open({ args = [], env = {}, cwd, era = "legacy", clientName, roots }: McpOptions): Promise<McpSession> {
    const options: ClientOptions = {
      capabilities: roots ? { roots: {} } : {},
      versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } },
    };
    const client = new Client({ name: clientName ?? "test", version: "1.0.0" }, options);
    if (roots) client.setRequestHandler("roots/list", () => ({ roots: roots.map((uri) => ({ uri })) }));
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
    await client.connect(transport);
    return new McpSession(client, transport);
  }

  /** The server's process */
  get pid(): number {
    return this.#transport.pid ?? Number.NaN;
  }

  async call(name: string, args: Record<string, unknown> = {}, signal?: AbortSignal): Promise<ToolResult> {
    const timeout = 110_000;
    const result = await this.client.callTool({ name, arguments: args }, { timeout, ...(signal ? { signal } : {}) });
    const [first] = result.content as { text?: string }[];
    return { isError: result.isError === true, text: first?.text ?? "", structured: result.structuredContent };
  }

  /** The result of a call that must not fail */
  async ok(name: string, args: Record<string, unknown> = {}): Promise<Json> {
    const { isError, text, structured } = await this.call(name, args);
    if (isError) throw new Error(`${name}: ${text}`);
    return structured;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}
