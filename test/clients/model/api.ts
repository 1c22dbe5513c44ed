/** What a client's model is: the way its API says it is left to one file for each. */

export type Args = Readonly<Record<string, unknown>>;

export interface OfferedTool {
  /** As the MCP server calls it: `workspace_exec` */
  readonly name: string;
  /** As the client does: `mcp__pyro__workspace_exec` */
  readonly nameOfClient: string;
  readonly description: string;
}

/** All that a model knows when it is asked for its next move. */
export interface ModelView {
  readonly tools: readonly OfferedTool[];
  /** What the client tells it before and between: its own instructions, and those of MCP servers */
  readonly system: string;
  /** What the user said */
  readonly prompt: string;
  /** Of each call so far, in order, exactly what the client shows of its result */
  readonly results: readonly string[];
}

/**
 * A model's move: it calls a tool, by the MCP server's name for it, or says something and ends its
 * turn.
 */
export type Move = { readonly tool: string; readonly args: Args } | { readonly text: string };

export interface ModelApi {
  /** Where a client asks for a move, below the address that it is given */
  readonly path: string;
  /**
   * Understands a request for a move; of one that offers no tools, as for the title of a
   * conversation, there is nothing to understand.
   */
  read(request: unknown): ModelView | undefined;
  /** The stream of events that says it; `view` is what it answers */
  write(move: Move, view: ModelView): string;
}

/** The server's own name among those of a client, which put its name in front. */
export const serverName = "pyro";

/** Its number in the conversation makes a call's identifier. */
export function callId(view: ModelView): string {
  return `call_${view.results.length + 1}`;
}

/** How the client calls a tool. */
export function nameOfClient(view: ModelView, tool: string): string {
  const offered = view.tools.find(({ name }) => name === tool);
  if (offered) return offered.nameOfClient;
  const names = view.tools.map(({ name }) => name).join(", ");
  throw new Error(`the model was not offered '${tool}', only: ${names === "" ? "nothing" : names}`);
}

/** Server-sent events, as all of these APIs answer. */
export function eventStream(events: readonly (readonly [name: string | undefined, data: unknown])[]): string {
  return events
    .map(([name, data]) => {
      const text = typeof data === "string" ? data : JSON.stringify(data);
      return `${name === undefined ? "" : `event: ${name}\n`}data: ${text}\n\n`;
    })
    .join("");
}
