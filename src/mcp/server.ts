import { type GetPromptRequest, ProtocolError, ProtocolErrorCode, Server } from "@modelcontextprotocol/server";
import { PyroError } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { run } from "../machines/one-off/run-operation.ts";
import { allowsEgress, type NetworkRules, offline } from "../network/policy/rules.ts";
import type { OperationContext } from "../operations/operation.ts";
import type { Toolset } from "../operations/toolsets.ts";
import { describeStart, type ProjectStart } from "../projects/start.ts";
import { type CallerSetup, callerOf } from "./caller.ts";
import { ToolCalls } from "./calls.ts";
import { instructionsFor } from "./instructions.ts";
import { type Prompt, promptsFor } from "./prompts.ts";
import { listResources, readResource, resourceTemplates } from "./resources.ts";
import { definitionOf, type Tool, toolsOf } from "./tool.ts";
import { sayWithTools } from "./tool-terms.ts";

export interface ServerSetup extends CallerSetup {
  readonly engine: OperationContext["engine"];
  readonly toolset: Toolset;
  /** The start of workspaces, which is detected while the server starts */
  readonly start: Promise<ProjectStart>;
  /** Whether the user lets a model ask for commands on the host */
  readonly mayUseHost?: boolean;
  /** What the user lets workspaces reach; default: nothing */
  readonly network?: NetworkRules;
  /** Environment of machines for which a model names none; default: the catalog's */
  readonly environment?: string | undefined;
}

/** The MCP server of one client, in either era of the protocol. */
export function createServer(setup: ServerSetup): { server: Server; calls: ToolCalls } {
  const { engine, toolset, start, mayUseHost = false, network = offline } = setup;
  const tools = toolsOf(toolset, setup);
  const prompts = promptsFor(tools);
  const hasWorkspaces = tools.some(({ name }) => name.startsWith("workspace_"));
  const capabilities = {
    tools: {},
    ...(prompts.length === 0 ? {} : { prompts: {} }),
    ...(hasWorkspaces ? { resources: {} } : {}),
  };
  const identity = { name: "pyro", title: "pyro workspaces", version };
  const server = new Server(identity, { capabilities, instructions: instructionsFor(toolset, setup) });
  const calls = new ToolCalls(tools, { engine, start, mayUseHost, network });
  serveTools(server, tools, calls, setup);
  if (prompts.length > 0) servePrompts(server, prompts, setup);
  if (hasWorkspaces) serveResources(server, tools, setup);
  return { server, calls };
}

function serveTools(server: Server, tools: readonly Tool[], calls: ToolCalls, setup: ServerSetup): void {
  const eager = new Set(setup.toolset.eagerTools);
  server.setRequestHandler("tools/list", async () => {
    const start = await setup.start;
    return {
      tools: tools.map((tool) => {
        const takesProject = "seedPath" in tool.operation.input.shape;
        return definitionOf(tool, {
          isEager: eager.has(tool.name),
          about: takesProject ? describeStart(start) : undefined,
          reachesOut: reachesOut(tool, start, setup),
          usesHost: setup.mayUseHost === true && tool.operation === run,
        });
      }),
    };
  });
  server.setRequestHandler("tools/call", ({ params }, context) =>
    calls.call(params, context, callerOf(server, context, setup)),
  );
}

/** Whether a tool contacts other machines: a clone comes from one, and a guest may reach some. */
function reachesOut({ operation }: Tool, start: ProjectStart, { network = offline }: ServerSetup): boolean {
  const clones = "seedPath" in operation.input.shape && start.kind === "source" && start.source.kind === "clone";
  const runsCommands = "command" in operation.input.shape;
  return clones || (runsCommands && allowsEgress(network.mode));
}

function servePrompts(server: Server, prompts: readonly Prompt[], setup: ServerSetup): void {
  server.setRequestHandler("prompts/list", (_, context) => {
    const { takesPromptArguments } = callerOf(server, context, setup).traits;
    return {
      prompts: prompts.map(({ name, description, argument }) => ({
        name,
        description,
        arguments: takesPromptArguments ? [{ ...argument, required: false }] : [],
      })),
    };
  });
  server.setRequestHandler("prompts/get", ({ params }) => getPrompt(prompts, params));
}

function getPrompt(prompts: readonly Prompt[], { name, arguments: given = {} }: GetPromptRequest["params"]) {
  const prompt = prompts.find((candidate) => candidate.name === name);
  if (!prompt) {
    const known = prompts.map((each) => each.name).join(", ");
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no prompt '${name}'; there are ${known}`);
  }
  const text = prompt.text(given[prompt.argument.name]?.trim() || undefined);
  const content = { type: "text" as const, text };
  return { description: prompt.description, messages: [{ role: "user" as const, content }] };
}

function serveResources(server: Server, tools: readonly Tool[], { engine }: ServerSetup): void {
  server.setRequestHandler("resources/list", async (_, { mcpReq }) => ({
    resources: await orProtocolError(listResources({ engine, signal: mcpReq.signal }), tools),
  }));
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: resourceTemplates() }));
  server.setRequestHandler("resources/read", async ({ params }, { mcpReq }) => ({
    contents: await orProtocolError(readResource({ engine, signal: mcpReq.signal }, params.uri), tools),
  }));
}

/** Reports a failure as a protocol error, because only tool results have a place for errors. */
async function orProtocolError<T>(work: Promise<T>, tools: readonly Tool[]): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message, hint } = PyroError.from(error).payload(sayWithTools(tools));
    const text = [message, hint].filter((part) => part !== null).join(". ");
    const isTheirs = code === "not_found" || code === "invalid_argument";
    const kind = isTheirs ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(kind, text, { code });
  }
}
