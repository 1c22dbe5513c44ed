import type { CallOptions, Client } from "./client.ts";

type WorkspaceClient = Client["workspace"];
type View = Awaited<ReturnType<WorkspaceClient["create"]>>;

/** How a command runs. */
export interface ExecSettings {
  /** Directory in the guest, absolute or below `/workspace`, which is the default */
  readonly cwd?: string;
  /** Variables beside the guest's own */
  readonly env?: Readonly<Record<string, string>>;
  /** Limit at which the command is killed; default: none */
  readonly timeoutSeconds?: number;
}

type WithoutId<M extends (input: never, options?: CallOptions) => unknown> = Omit<Parameters<M>[0], "workspaceId">;

/**
 * One workspace, with the operations of `pyro.workspace` that take its identifier as methods. If
 * `createWorkspace` made it, it is deleted at the end of an `await using` scope. If
 * `attachWorkspace` found it, it stays.
 */
export class Workspace implements AsyncDisposable {
  /** 12 hexadecimal digits */
  readonly id: string;
  readonly #client: WorkspaceClient;
  readonly #isOurs: boolean;
  #isDeleted = false;

  constructor(client: WorkspaceClient, id: string, { isOurs }: { readonly isOurs: boolean }) {
    this.#client = client;
    this.id = id;
    this.#isOurs = isOurs;
  }

  status(options?: CallOptions): ReturnType<WorkspaceClient["status"]> {
    return this.#client.status(this.#with({}), options);
  }

  update(
    input: WithoutId<WorkspaceClient["update"]>,
    options?: CallOptions,
  ): Promise<Omit<View, "skippedFiles" | "skippedCount">> {
    return this.#client.update(this.#with(input), options);
  }

  /**
   * Runs a program with its arguments, or one text in the guest's shell. A command that fails is a
   * result, not an error.
   */
  exec(
    command: WithoutId<WorkspaceClient["exec"]>["command"],
    { cwd, env, timeoutSeconds, ...options }: CallOptions & ExecSettings = {},
  ): ReturnType<WorkspaceClient["exec"]> {
    const settings = { cwd, env: env && { ...env }, timeoutSeconds };
    return this.#client.exec(this.#with({ command, ...settings }), options);
  }

  /** Commands with their output, one or all. It can wait for the end of one. */
  logs(input: WithoutId<WorkspaceClient["logs"]> = {}, options?: CallOptions): ReturnType<WorkspaceClient["logs"]> {
    return this.#client.logs(this.#with(input), options);
  }

  listFiles(
    input: WithoutId<WorkspaceClient["file"]["list"]> = {},
    options?: CallOptions,
  ): ReturnType<WorkspaceClient["file"]["list"]> {
    return this.#client.file.list(this.#with(input), options);
  }

  readFile(
    path: string,
    { offset, maxBytes, ...options }: CallOptions & { readonly offset?: number; readonly maxBytes?: number } = {},
  ): ReturnType<WorkspaceClient["file"]["read"]> {
    const page = { ...(offset === undefined ? {} : { offset }), ...(maxBytes === undefined ? {} : { maxBytes }) };
    return this.#client.file.read(this.#with({ path, ...page }), options);
  }

  /** Replaces a text, which must be there exactly once. */
  editFile(
    path: string,
    oldText: string,
    newText: string,
    { replaceAll, ...options }: CallOptions & { readonly replaceAll?: boolean } = {},
  ): ReturnType<WorkspaceClient["file"]["edit"]> {
    return this.#client.file.edit(this.#with({ path, oldText, newText, replaceAll }), options);
  }

  writeFile(path: string, text: string, options?: CallOptions): ReturnType<WorkspaceClient["file"]["write"]> {
    return this.#client.file.write(this.#with({ path, text }), options);
  }

  applyPatch(patch: string, options?: CallOptions): ReturnType<WorkspaceClient["patch"]["apply"]> {
    return this.#client.patch.apply(this.#with({ patch }), options);
  }

  /**
   * Copies a directory or archive of this host into a directory of the workspace, by default
   * `/workspace` itself.
   */
  push(
    sourcePath: string,
    { dest, ...options }: CallOptions & { readonly dest?: string } = {},
  ): ReturnType<WorkspaceClient["sync"]["push"]> {
    return this.#client.sync.push(this.#with({ sourcePath, ...(dest === undefined ? {} : { dest }) }), options);
  }

  diff(input: WithoutId<WorkspaceClient["diff"]> = {}, options?: CallOptions): ReturnType<WorkspaceClient["diff"]> {
    return this.#client.diff(this.#with(input), options);
  }

  /**
   * Copies a file, directory or link out of the workspace, to a path on this host that does not
   * exist yet.
   */
  export(path: string, outputPath: string, options?: CallOptions): ReturnType<WorkspaceClient["export"]> {
    return this.#client.export(this.#with({ path, outputPath }), options);
  }

  summary(options?: CallOptions): ReturnType<WorkspaceClient["summary"]> {
    return this.#client.summary(this.#with({}), options);
  }

  snapshot(snapshotName: string, options?: CallOptions): ReturnType<WorkspaceClient["snapshot"]["create"]> {
    return this.#client.snapshot.create(this.#with({ snapshotName }), options);
  }

  listSnapshots(options?: CallOptions): ReturnType<WorkspaceClient["snapshot"]["list"]> {
    return this.#client.snapshot.list(this.#with({}), options);
  }

  deleteSnapshot(snapshotName: string, options?: CallOptions): ReturnType<WorkspaceClient["snapshot"]["delete"]> {
    return this.#client.snapshot.delete(this.#with({ snapshotName }), options);
  }

  /** Resets to a new machine with the files of the baseline or of a snapshot. */
  reset({
    snapshot,
    ...options
  }: CallOptions & { readonly snapshot?: string } = {}): ReturnType<WorkspaceClient["reset"]> {
    return this.#client.reset(this.#with(snapshot === undefined ? {} : { snapshot }), options);
  }

  stop(options?: CallOptions): ReturnType<WorkspaceClient["stop"]> {
    return this.#client.stop(this.#with({}), options);
  }

  start(options?: CallOptions): ReturnType<WorkspaceClient["start"]> {
    return this.#client.start(this.#with({}), options);
  }

  async delete(options?: CallOptions): Promise<void> {
    await this.#client.delete(this.#with({}), options);
    this.#isDeleted = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOurs && !this.#isDeleted) await this.delete();
  }

  #with<T extends object>(input: T): T & { workspaceId: string } {
    return { ...input, workspaceId: this.id };
  }
}
