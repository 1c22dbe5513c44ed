import { composeEngineContext } from "../compose.ts";
import { type CallOptions, type Client, createClient } from "./client.ts";
import { Workspace } from "./workspace.ts";

export interface PyroOptions {
  /**
   * Replaces the process's environment variables, such as PYRO_CACHE_DIR (docs/on-disk-layout.md)
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * All of pyro's operations as methods, each like the command of the same name. It holds no process
 * and no file, and workspaces outlive it. Use it in the main thread, because the machine of `run`
 * ends with the thread that started it.
 */
export class Pyro implements Client {
  readonly demo: Client["demo"];
  readonly doctor: Client["doctor"];
  readonly env: Client["env"];
  readonly network: Client["network"];
  readonly prepare: Client["prepare"];
  readonly run: Client["run"];
  readonly workspace: Client["workspace"];

  constructor({ env = process.env }: PyroOptions = {}) {
    const client = createClient(composeEngineContext(env));
    this.demo = client.demo;
    this.doctor = client.doctor;
    this.env = client.env;
    this.network = client.network;
    this.prepare = client.prepare;
    this.run = client.run;
    this.workspace = client.workspace;
  }

  /** Creates a workspace that is deleted at the end of its `await using` scope. */
  async createWorkspace(
    input: Parameters<Client["workspace"]["create"]>[0],
    options?: CallOptions,
  ): Promise<Workspace> {
    const { workspaceId } = await this.workspace.create(input, options);
    return new Workspace(this.workspace, workspaceId, { isOurs: true });
  }

  /** A handle on an existing workspace, by its id or name. The workspace outlives the handle. */
  async attachWorkspace(workspaceId: string, options?: CallOptions): Promise<Workspace> {
    const { workspaceId: id } = await this.workspace.status({ workspaceId }, options);
    return new Workspace(this.workspace, id, { isOurs: false });
  }
}
