import type { ModelApi } from "../model/api.ts";

/**
 * What a user types: words for the model, or one of the MCP server's prompts by its name, with
 * words behind it.
 */
export type Prompt = { readonly text: string } | { readonly command: string; readonly words: string };

/** How an MCP client starts its server. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface ClientSetup {
  /** Where programs of the clients are */
  readonly binDir: string;
  /** A folder of its own that is the user's home to it */
  readonly homeDir: string;
  readonly modelUrl: string;
  readonly server: ServerCommand;
  readonly prompt: Prompt;
}

export interface Launch {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** One of the programs that a user may have pyro in. */
export interface Client {
  readonly name: string;
  readonly api: ModelApi;
  /** Its model sees results as JSON (`structuredContent`); others see them as text (`content`) */
  readonly showsStructure: boolean;
  /** Its model has the tools from the beginning; others must look for them */
  readonly offersTools: boolean;
  /** It shows prompts of MCP servers as commands */
  readonly hasPrompts: boolean;
  /** Writes its configuration, and says how it is started without a terminal */
  prepare(setup: ClientSetup): Promise<Launch>;
}
