import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import { endProcessesOf } from "./processes.ts";

export const pyroPath = fileURLToPath(new URL("../../bin/pyro.js", import.meta.url));

export interface CliResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Standard output as JSON */
  json(): Record<string, unknown>;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
}

/**
 * A cache and workspaces of its own, so that tests neither see nor spoil what the user has; the
 * installed environments are shared. At its end all of it goes, with the processes that belong to
 * it.
 */
export class TestCache implements AsyncDisposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async create(): Promise<TestCache> {
    return new TestCache(await mkdtemp(join(tmpdir(), "pyro test ")));
  }

  get env(): Record<string, string> {
    const { environmentsDir } = layoutFromEnvironment(process.env);
    return {
      PYRO_CACHE_DIR: this.dir,
      PYRO_STATE_DIR: join(this.dir, "state"),
      PYRO_ENVIRONMENT_CACHE_DIR: environmentsDir,
    };
  }

  /** Where its workspaces are, one folder each */
  get workspacesDir(): string {
    return join(this.dir, "state/workspaces");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcessesOf(this.dir);
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Starts the built executable as a user would. */
export function startPyro(args: readonly string[], options: CliOptions = {}): ChildProcess {
  const child = spawn(process.execPath, [pyroPath, ...args], {
    env: { ...process.env, ...options.env },
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => {
    // the command did not read its input
  });
  child.stdin?.end(options.stdin);
  return child;
}

export async function pyro(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return resultOf(startPyro(args, options));
}

export async function resultOf(child: ChildProcess): Promise<CliResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const [exitCode, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  const output = Buffer.concat(stdout);
  return {
    exitCode,
    signal,
    stdout: output,
    stderr: Buffer.concat(stderr).toString("utf8"),
    json: () => JSON.parse(output.toString("utf8")) as Record<string, unknown>,
  };
}
