import type { CallToolRequest, CallToolResult, InputRequiredResult, ServerContext } from "@modelcontextprotocol/server";
import { inputRequired, inputResponse } from "@modelcontextprotocol/server";
import { PyroError } from "../core/errors.ts";
import type { NetworkRules } from "../network/policy/rules.ts";
import { type OperationContext, perform } from "../operations/operation.ts";
import type { ProjectSource } from "../projects/source.ts";
import { type ProjectStart, sourceOf, sourceOfRoots } from "../projects/start.ts";
import type { Caller } from "./caller.ts";
import { LongCalls } from "./long-calls.ts";
import { reportProgress } from "./progress.ts";
import { errorResult, toolResult } from "./result.ts";
import { parseArguments, type Tool } from "./tool.ts";

/**
 * The engine must answer this much before the client's patience ends, or this share of a short
 * patience
 */
const graceMs = 2_000;
const gracePart = 0.2;
const rootsKey = "roots";

export interface CallSetup {
  readonly engine: OperationContext["engine"];
  readonly start: Promise<ProjectStart>;
  readonly mayUseHost: boolean;
  readonly network: NetworkRules;
}

/** Carries out the calls of one client. */
export class ToolCalls {
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #setup: CallSetup;
  readonly #long = new LongCalls<Readonly<Record<string, unknown>>>();

  constructor(tools: readonly Tool[], setup: CallSetup) {
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.#setup = setup;
  }

  /** Never rejects, because the model must read what went wrong. */
  async call(
    { name, arguments: given = {} }: CallToolRequest["params"],
    { mcpReq }: ServerContext,
    caller: Caller,
  ): Promise<CallToolResult | InputRequiredResult> {
    try {
      const tool = this.#tools.get(name);
      if (!tool) throw noSuchTool(name, [...this.#tools.keys()]);
      const input = parseArguments(tool, given);
      const project = needsProject(tool, input) ? await this.#project(mcpReq, caller) : undefined;
      if (project === "ask-client") {
        return inputRequired({ inputRequests: { [rootsKey]: inputRequired.listRoots() } });
      }
      const output = await this.#run(tool, input, project, mcpReq, caller);
      return toolResult(tool, output, caller.traits);
    } catch (error) {
      return errorResult(error, [...this.#tools.values()]);
    }
  }

  /** Cancels all running calls. */
  async end(limitMs: number): Promise<void> {
    await this.#long.end(limitMs);
  }

  async #run(
    tool: Tool,
    input: Readonly<Record<string, unknown>>,
    project: ProjectSource | undefined,
    mcpReq: ServerContext["mcpReq"],
    { traits }: Caller,
  ): Promise<Readonly<Record<string, unknown>>> {
    using progress = reportProgress(mcpReq, tool.name);
    const { patienceMs, maxResultChars } = traits;
    const { engine, mayUseHost, network: networkCeiling } = this.#setup;
    const work = (signal: AbortSignal, onProgress: OperationContext["onProgress"]) =>
      perform(
        tool.operation,
        {
          engine,
          mayUseHost,
          networkCeiling,
          signal,
          project,
          onProgress,
          keptOutputBytes: maxResultChars,
          asTerminal: true,
          detachAfterMs: patienceMs - Math.min(graceMs, gracePart * patienceMs),
        },
        input,
      );
    return await this.#long.run(JSON.stringify([tool.name, input]), work, {
      name: tool.name,
      patienceMs,
      signal: mcpReq.signal,
      onProgress: progress.onProgress,
      goesOn: tool.operation.effect !== "read" && tool.operation.mcp?.isRead?.(input) !== true,
    });
  }

  async #project(
    { inputResponses }: ServerContext["mcpReq"],
    { hasRoots, listRoots }: Caller,
  ): Promise<ProjectSource | "ask-client" | undefined> {
    const source = sourceOf(await this.#setup.start);
    if (source !== "ask-client") return source;
    if (!hasRoots) return undefined;
    if (listRoots) return sourceOfRoots(await listRoots());
    const answer = inputResponse(inputResponses, rootsKey);
    if (answer.kind === "roots") return sourceOfRoots(answer.roots);
    // A client that answers something else has no roots.
    return inputResponses === undefined ? "ask-client" : undefined;
  }
}

function needsProject({ operation }: Tool, input: Readonly<Record<string, unknown>>): boolean {
  return "seedPath" in operation.input.shape && input["seedPath"] === undefined;
}

function noSuchTool(name: string, known: readonly string[]): PyroError {
  return new PyroError("not_found", `cannot call ${name}: there is no such tool`, {
    hint: `The tools are ${known.join(", ")}.`,
  });
}
