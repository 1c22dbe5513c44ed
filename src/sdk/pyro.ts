import { composeEngineContext } from "../compose.ts";
import { type CallOptions, type Client, createClient } from "./client.ts";
import { Workspace } from "./workspace.ts";

export interface PyroOptions {
  /**
   * Replaces the process's environment variables, such as PYRO_CACHE_DIR (docs/on-disk-layout.md)
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The operations on machines for one command, with the list of what they can be made of. */
type VmClient = Client["vm"] & { readonly listEnvironments: Client["env"]["list"] };

/** All of pyro's operations as methods, each like the command of the same name. */
export class PyroOperations implements Client {
  readonly demo: Client["demo"];
  readonly doctor: Client["doctor"];
  readonly env: Client["env"];
  readonly network: Client["network"];
  readonly prepare: Client["prepare"];
  readonly run: Client["run"];
  readonly vm: VmClient;
  readonly workspace: Client["workspace"];

  readonly #env: NonNullable<PyroOptions["env"]>;

  constructor({ env = process.env }: PyroOptions = {}) {
    this.#env = env;
    const client = createClient(composeEngineContext(env));
    this.demo = client.demo;
    this.doctor = client.doctor;
    this.env = client.env;
    this.network = client.network;
    this.prepare = client.prepare;
    this.run = client.run;
    this.vm = { ...client.vm, listEnvironments: client.env.list };
    this.workspace = client.workspace;
  }

  /** What decides about a server beside its options. */
  protected surroundings(): { readonly env: NonNullable<PyroOptions["env"]>; readonly cwd: string } {
    return { env: this.#env, cwd: process.cwd() };
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
