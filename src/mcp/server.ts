import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type GetPromptRequest,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { PyroError } from "../core/errors.ts";
import { version } from "../core/version.ts";
import type { OperationContext } from "../operations/operation.ts";
import { run } from "../operations/run.ts";
import type { Toolset } from "../operations/toolsets.ts";
import { describeStart, type ProjectStart } from "../projects/start.ts";
import { type Caller, ToolCalls } from "./calls.ts";
import { traitsOf } from "./clients.ts";
import { instructionsFor } from "./instructions.ts";
import { promptsFor } from "./prompts.ts";
import { listResources, readResource, resourceTemplates } from "./resources.ts";
import { definitionOf, toolsOf } from "./tool.ts";
import { inToolTerms } from "./tool-terms.ts";

/** A client answers at once what its user has opened, or not at all */
const rootsTimeoutMs = 10_000;

export interface ServerSetup {
  readonly sandbox: OperationContext["sandbox"];
  readonly toolset: Toolset;
  /** What workspaces begin with; found out while the server starts */
  readonly start: Promise<ProjectStart>;
  /** Stands in for what is known of the client's patience */
  readonly patienceMs?: number | undefined;
  /** Whether the user lets a model ask for commands on the host */
  readonly mayUseHost?: boolean;
  /** Which protocol the client speaks; the newer one has no requests from server to client */
  readonly era?: "legacy" | "modern";
}

/** The MCP server of one client, in whichever era of the protocol it speaks. */
export function createServer(setup: ServerSetup): {
  server: Server;
  calls: ToolCalls;
} {
  const { sandbox, toolset, start, mayUseHost = false } = setup;
  const tools = toolsOf(toolset);
  const prompts = promptsFor(tools);
  const hasWorkspaces = tools.some(({ name }) => name.startsWith("workspace_"));
  const calls = new ToolCalls(tools, { sandbox, start, mayUseHost });
  const server = new Server(
    { name: "pyro", title: "pyro workspaces", version },
    {
      capabilities: {
        tools: {},
        ...(prompts.length === 0 ? {} : { prompts: {} }),
        ...(hasWorkspaces ? { resources: {} } : {}),
      },
      instructions: instructionsFor(toolset),
    },
  );

  server.setRequestHandler("tools/list", async () => {
    const begin = await start;
    const eager = new Set(toolset.eagerTools);
    return {
      tools: tools.map((tool) => {
        const takesProject = "seedPath" in tool.operation.input.shape;
        const about = takesProject ? describeStart(begin) : undefined;
        // A clone is fetched from somewhere.
        const reachesOut = takesProject && begin.kind === "source" && begin.source.kind === "clone";
        const usesHost = mayUseHost && tool.operation === run;
        return definitionOf(tool, { isEager: eager.has(tool.name), about, reachesOut, usesHost });
      }),
    };
  });
  server.setRequestHandler("tools/call", ({ params }, context) =>
    calls.call(params, context, callerOf(server, context, setup)),
  );

  if (prompts.length > 0) {
    server.setRequestHandler("prompts/list", (_, context) => {
      const { takesPromptArguments } = callerOf(server, context, setup).traits;
      return {
        prompts: prompts.map(({ name, description, argument }) => ({
          ...{ name, description, arguments: takesPromptArguments ? [{ ...argument, required: false }] : [] },
        })),
      };
    });
    server.setRequestHandler("prompts/get", ({ params }) => getPrompt(params));
  }
  if (hasWorkspaces) {
    server.setRequestHandler("resources/list", async (_, { mcpReq }) => ({
      resources: await forClient(listResources({ sandbox, signal: mcpReq.signal })),
    }));
    server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: resourceTemplates() }));
    server.setRequestHandler("resources/read", async ({ params }, { mcpReq }) => ({
      contents: await forClient(readResource({ sandbox, signal: mcpReq.signal }, params.uri)),
    }));
  }
  return { server, calls };

  function getPrompt({ name, arguments: given = {} }: GetPromptRequest["params"]) {
    const prompt = prompts.find((candidate) => candidate.name === name);
    if (!prompt) {
      const known = prompts.map((each) => each.name).join(", ");
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no prompt '${name}'; there are ${known}`);
    }
    const text = prompt.text(given[prompt.argument.name]?.trim() || undefined);
    return {
      description: prompt.description,
      messages: [{ role: "user" as const, content: { type: "text" as const, text } }],
    };
  }

  /** What is no tool's result has no other place for what went wrong than the protocol's error. */
  async function forClient<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const { code, message, hint } = PyroError.from(error);
      const text = [message, hint].filter((part) => part !== undefined).join(". ");
      const isTheirs = code === "not_found" || code === "invalid_argument";
      const kind = isTheirs ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
      throw new ProtocolError(kind, inToolTerms(text, tools), { code });
    }
  }
}

/** In the newer era a client says who it is with every request, in the older one at the beginning. */
function callerOf(server: Server, { mcpReq }: ServerContext, { patienceMs, era = "legacy" }: ServerSetup): Caller {
  const envelope = mcpReq.envelope as Readonly<Record<string, unknown>> | undefined;
  const client = (envelope?.[CLIENT_INFO_META_KEY] ?? server.getClientVersion()) as { name?: string } | undefined;
  const capabilities = (envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities()) as
    | { roots?: unknown }
    | undefined;
  const traits = traitsOf(client?.name);
  return {
    traits: patienceMs === undefined ? traits : { ...traits, patienceMs },
    hasRoots: capabilities?.roots !== undefined,
    ...(era === "legacy" ? { listRoots: () => listRoots(server) } : {}),
  };
}

/** A client that says that it has roots, and then does not tell them, has none. */
async function listRoots(server: Server): Promise<readonly { readonly uri: string }[]> {
  try {
    return (await server.listRoots(undefined, { timeout: rootsTimeoutMs })).roots;
  } catch {
    return [];
  }
}
