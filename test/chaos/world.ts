import { mkdir, mkdtemp, readdir, readFile, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import { linkSharedTemplates } from "../helpers/templates.ts";
import { callByCli, type Operation, type Outcome, type Running, SdkClient } from "./clients.ts";
import { listAll, operationsOn } from "./operations.ts";
import { type FoundProcess, processesAround } from "./processes.ts";

type Value = Readonly<Record<string, unknown>>;

/**
 * A folder for workspaces that nothing else knows, with the clients that use it and the processes
 * that run for it.
 */
export class World implements AsyncDisposable {
  readonly dir: string;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly #cacheDir: string;
  readonly #sdkClients: SdkClient[] = [];

  private constructor(dir: string) {
    this.dir = dir;
    this.stateDir = join(dir, "state");
    this.#cacheDir = join(dir, "cache");
    const { environmentsDir } = layoutFromEnvironment(process.env);
    this.env = {
      ...process.env,
      PYRO_CACHE_DIR: this.#cacheDir,
      PYRO_STATE_DIR: this.stateDir,
      PYRO_ENVIRONMENT_CACHE_DIR: environmentsDir,
    };
  }

  static async create(): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), "pyro chaos ")));
    await mkdir(join(world.dir, "out"));
    await mkdir(world.#cacheDir, { mode: 0o700 });
    await linkSharedTemplates(world.#cacheDir);
    return world;
  }

  get workspacesDir(): string {
    return join(this.stateDir, "workspaces");
  }

  outPath(name: string): string {
    return join(this.dir, "out", name);
  }

  newSdkClient(more: Readonly<Record<string, string>> = {}): SdkClient {
    const client = new SdkClient({ ...this.env, ...more });
    this.#sdkClients.push(client);
    return client;
  }

  start(operation: Pick<Operation, "args">): Running {
    return callByCli(this.env, operation);
  }

  run(operation: Pick<Operation, "args">): Promise<Outcome> {
    return this.start(operation).outcome;
  }

  /** A call that must succeed. */
  async must(operation: Pick<Operation, "args">): Promise<Value> {
    const outcome = await this.run(operation);
    if (outcome.kind === "done") return outcome.value;
    throw new Error(`'${operation.args.join(" ").slice(0, 200)}' did not work: ${JSON.stringify(outcome)}`);
  }

  async createWorkspace(...flags: readonly string[]): Promise<string> {
    const { workspace_id: workspaceId } = await this.must({ args: ["create", "debian:12", ...flags] });
    return String(workspaceId);
  }

  processes(): Promise<readonly FoundProcess[]> {
    return processesAround(this.stateDir);
  }

  /** What a workspace's record says, when there is one. */
  async record(workspaceId: string): Promise<Value | undefined> {
    const text = await readFile(join(this.workspacesDir, workspaceId, "workspace.json"), "utf8").catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as Value);
  }

  #scratch(): Promise<readonly string[]> {
    return readdir(join(this.#cacheDir, "scratch")).catch(() => []);
  }

  /**
   * Everything is deleted: no process, no file; nothing in the scratch folder either, unless a boot
   * was killed, whose files are swept when they are a minute old. So is the folder of a workspace
   * whose maker was killed before there was a supervisor.
   */
  async expectNothingLeft({ groups = new Set<number>(), wereBootsKilled = false } = {}): Promise<void> {
    const { workspaces } = await this.must(listAll);
    expect(workspaces).toEqual([]);
    let left: readonly FoundProcess[] = [];
    // A guardian that lost its supervisor before that could take note of it looks once a minute
    // whether it is still needed.
    for (let look = 0; look < 750; look++) {
      left = [...(await this.processes()), ...(await processesAround("/")).filter(({ group }) => groups.has(group))];
      if (left.length === 0) break;
      await setTimeout(100);
    }
    expect(left).toEqual([]);
    if (wereBootsKilled) await this.#sweepUnborn();
    expect(await readdir(this.workspacesDir).catch(() => [])).toEqual([]);
    if (!wereBootsKilled) expect(await this.#scratch()).toEqual([]);
  }

  /** What a minute does, and the next look at all workspaces */
  async #sweepUnborn(): Promise<void> {
    const names = await readdir(this.workspacesDir).catch(() => []);
    const longAgo = new Date(Date.now() - 120_000);
    for (const name of names)
      if (name.startsWith(".new-")) await utimes(join(this.workspacesDir, name), longAgo, longAgo);
    await this.must(listAll);
  }

  /** Ends all that is left, so that a failed test does not spoil the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#sdkClients) client.kill();
    for (const { pid } of await this.processes()) signalTo(pid, "SIGCONT");
    const names = await readdir(this.workspacesDir).catch(() => []);
    for (const name of names) {
      if (!/^[0-9a-f]{12}$/.test(name)) continue;
      // A delete kills the guardian's group, and that of process 1 is every process.
      const guardian = (await this.record(name))?.["guardian"] as { pid: number } | null | undefined;
      if (guardian && guardian.pid <= 1) throw new Error(`workspace '${name}' takes process 1 for its guardian`);
      await this.run(operationsOn(name).delete()).catch(() => undefined);
    }
    // A guardian that is gone before its supervisor must not be mistaken for process 1.
    const left = (await this.processes()).toSorted(
      (a, b) => Number(b.kind === "supervisor") - Number(a.kind === "supervisor"),
    );
    for (const { pid } of left) signalTo(pid, "SIGKILL");
    if (process.env["CHAOS_KEEP"] === undefined) await rm(this.dir, { recursive: true, force: true });
  }
}

/** To one process, by its number, which must be of this test's. */
export function signalTo(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 1) throw new Error(`this test would have signalled process ${pid}`);
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
