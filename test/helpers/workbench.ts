import { execFileSync } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Pyro } from "../../src/index.ts";
import { type CliOptions, type CliResult, pyro, startPyro, TestCache } from "./cli.ts";
import { mcpSurface } from "./mcp.ts";
import { processesOf, type RunningProcess } from "./processes.ts";
import { cliSurface, type Json, type Surface, sdkSurface } from "./surfaces.ts";
import { linkSharedTemplates } from "./templates.ts";

const environment = "debian:12";

type CreateInput = Parameters<Pyro["workspace"]["create"]>[0];

/** Workspaces of a test, on templates that all tests share. */
export class Workbench implements AsyncDisposable {
  readonly cache: TestCache;
  readonly cli: Surface;
  readonly sdk: Surface;
  readonly mcp: Surface & AsyncDisposable;
  readonly library: Pyro;

  private constructor(cache: TestCache) {
    this.cache = cache;
    this.cli = cliSurface(cache.env);
    this.sdk = sdkSurface(cache.env);
    this.mcp = mcpSurface(cache.env);
    this.library = new Pyro({ env: { ...process.env, ...cache.env } });
  }

  static async create(): Promise<Workbench> {
    const cache = await TestCache.create();
    await linkSharedTemplates(cache.dir);
    await mkdir(join(cache.dir, "host"));
    return new Workbench(cache);
  }

  get env(): Record<string, string> {
    return this.cache.env;
  }

  /** A path for files of the test itself */
  hostPath(...names: string[]): string {
    return join(this.cache.dir, "host", ...names);
  }

  /** `pyro workspace …` to its end */
  run(words: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    return pyro(["workspace", ...words], { ...options, env: { ...this.env, ...options.env } });
  }

  /** `pyro workspace …`, left running */
  start(words: readonly string[], options: CliOptions = {}): ReturnType<typeof startPyro> {
    return startPyro(["workspace", ...words], { ...options, env: { ...this.env, ...options.env } });
  }

  /** `pyro workspace …`, which must succeed; what it printed */
  async output(words: readonly string[], options: CliOptions = {}): Promise<string> {
    const result = await this.run(words, options);
    if (result.exitCode !== 0) throw new Error(`'${words.join(" ")}' ended with ${result.exitCode}: ${result.stderr}`);
    return result.stdout.toString();
  }

  async json(words: readonly string[]): Promise<Json> {
    return JSON.parse(await this.output([...words, "--json"]));
  }

  /** A new workspace; its identifier */
  async create(input: Omit<CreateInput, "environment"> = {}): Promise<string> {
    return (await this.library.workspace.create({ environment, ...input })).workspaceId;
  }

  /** Runs a script, which must succeed; what it printed */
  async sh(id: string, script: string, ...args: readonly string[]): Promise<string> {
    const command = ["sh", "-euc", script, "sh", ...args];
    const result = await this.library.workspace.exec({ workspaceId: id, command, timeoutSeconds: 100 });
    if (result.exitCode !== 0) throw new Error(`'${script}' ended with ${result.exitCode}: ${result.stderr}`);
    return Buffer.from(result.stdout, result.stdoutEncoding === "base64" ? "base64" : "utf8").toString();
  }

  /** Whether a `sleep` of so many seconds runs in the guest, which tests tell their processes by */
  async isSleeping(id: string, seconds: string): Promise<boolean> {
    return (await this.sh(id, 'grep -lsa "^sleep.$1" /proc/[0-9]*/cmdline || true', seconds)) !== "";
  }

  /** What is left where workspaces are */
  async leftovers(): Promise<string[]> {
    return readdir(this.cache.workspacesDir);
  }

  /** Surfaces that let no more workspaces run than this */
  withLimit(maxActive: number): { readonly cli: Surface; readonly sdk: Surface } {
    const env = { ...this.env, PYRO_MAX_ACTIVE_WORKSPACES: String(maxActive) };
    return { cli: cliSurface(env), sdk: sdkSurface(env) };
  }

  /** Files that a workspace's disks are made of */
  async layers(id: string): Promise<string[]> {
    return readdir(join(this.cache.workspacesDir, id, "disks"));
  }

  /** Packs files of a folder into an archive; `-r` adds them to one. */
  tar(dir: string, archive: string, args: readonly string[]): void {
    const words = args[0] === "-r" ? ["-rf", archive, ...args.slice(1)] : ["-cf", archive, ...args];
    execFileSync("tar", words, { cwd: dir });
  }

  processes(): Promise<RunningProcess[]> {
    return processesOf(this.cache.dir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mcp[Symbol.asyncDispose]();
    await this.cache[Symbol.asyncDispose]();
  }
}
