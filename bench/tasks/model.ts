import { writeFileSync } from "node:fs";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

type Json = Readonly<Record<string, unknown>>;

/** A client of which the model is, by the name that it gives the server. */
export type ClientName = "claude-code" | "opencode";

/** What a call costs a model, and what it learns. */
export interface Answer {
  readonly isError: boolean;
  /** What the client shows the model of the result */
  readonly shown: string;
  readonly structured: Json;
}

export interface Cost {
  calls: number;
  /** Bytes that the model writes: arguments, and what it must repeat by hand */
  writtenBytes: number;
  /** Bytes that the client shows it */
  shownBytes: number;
  /** Calls that failed, or did not say what they were made for */
  deadEnds: number;
}

/**
 * The hands of a model without a mind: a task is a script of calls, which looks at what the client
 * shows and tries something else if that does not say what is needed. So two versions of the server
 * can be compared, and every run costs the same.
 */
export class ScriptedModel implements AsyncDisposable {
  readonly #client: Client;
  readonly #name: ClientName;
  readonly #inputs: ReadonlyMap<string, readonly string[]>;
  cost: Cost = { calls: 0, writtenBytes: 0, shownBytes: 0, deadEnds: 0 };
  /** Workspaces that it has created */
  readonly created = new Set<string>();
  /** Bytes of the tools and the instructions, which a session has once */
  readonly offerBytes: number;

  private constructor(client: Client, name: ClientName, tools: readonly Json[]) {
    this.#client = client;
    this.#name = name;
    this.#inputs = new Map(tools.map((tool) => [String(tool["name"]), propertiesOf(tool)]));
    this.offerBytes = Buffer.byteLength(JSON.stringify(tools) + (client.getInstructions() ?? ""));
  }

  static async connect(name: ClientName, args: readonly string[], env: NodeJS.ProcessEnv): Promise<ScriptedModel> {
    const client = new Client({ name, version: "1.0.0" });
    const surroundings = env as Record<string, string>;
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [...args], env: surroundings, stderr: "ignore" }),
    );
    const { tools } = await client.listTools();
    return new ScriptedModel(client, name, tools as unknown as readonly Json[]);
  }

  /** Whether there is such a tool, with such an argument if one is given. */
  offers(tool: string, argument?: string): boolean {
    const inputs = this.#inputs.get(tool);
    return inputs !== undefined && (argument === undefined || inputs.includes(argument));
  }

  async call(tool: string, args: Json): Promise<Answer> {
    const result = await this.#client.callTool({ name: tool, arguments: { ...args } }, { timeout: 150_000 });
    const text = (result.content as readonly { text?: string }[]).map((part) => part.text ?? "").join("\n");
    const structured = (result.structuredContent ?? {}) as Json;
    const isError = result.isError === true;
    if (tool === "workspace_create" && !isError) this.created.add(String(structured["workspace_id"]));
    const showsText = this.#name === "opencode" || result.structuredContent === undefined;
    const shown = showsText ? text : JSON.stringify(structured);
    this.cost.calls += 1;
    this.cost.writtenBytes += Buffer.byteLength(JSON.stringify(args));
    this.cost.shownBytes += Buffer.byteLength(shown);
    if (isError) this.cost.deadEnds += 1;
    if (process.env["BENCH_TRACE"]) writeFileSync(process.env["BENCH_TRACE"], `${tool} ${shown}\n\n`, { flag: "a" });
    return { isError, shown, structured };
  }

  /** A call that must not fail */
  async must(tool: string, args: Json): Promise<Answer> {
    const answer = await this.call(tool, args);
    if (answer.isError) throw new Error(`${tool}: ${answer.shown}`);
    return answer;
  }

  /** Whether an answer says something; if not, the call has been a dead end. */
  learns(answer: Answer, needle: string): boolean {
    if (!answer.isError && answer.shown.includes(needle)) return true;
    if (!answer.isError) this.cost.deadEnds += 1;
    return false;
  }

  /** What the model must write itself, because no tool does */
  writes(text: string): void {
    this.cost.writtenBytes += Buffer.byteLength(text);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.close();
  }
}

function propertiesOf(tool: Json): string[] {
  const { properties } = tool["inputSchema"] as { properties?: object };
  return Object.keys(properties ?? {});
}
