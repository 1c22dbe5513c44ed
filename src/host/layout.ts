import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { hostPathProblem, shownPath } from "./named/path.ts";

/**
 * The folders that pyro keeps on the host, and its programs. The code that fills a folder names
 * what is in it.
 */
export interface Layout {
  /** Installed environments and their blobs */
  readonly environmentsDir: string;
  /** Frozen machines, one folder each */
  readonly templatesDir: string;
  /** Facts about this host: QEMU, accelerators, prepared environments */
  readonly factsDir: string;
  readonly locksDir: string;
  /** Files that lose their name before they are used. A sweep removes what a crash leaves */
  readonly scratchDir: string;
  /** Starting trees of workspaces as disk images, by content */
  readonly seedsDir: string;
  /** Workspaces, one folder each. Only this one is not a cache */
  readonly workspacesDir: string;
  /** The static Linux binary that becomes the guest's first process */
  readonly agentPath: string;
  /** The program that owns a running workspace */
  readonly supervisorPath: string;
}

type HostEnvironment = Readonly<Record<string, string | undefined>>;

export function layoutFromEnvironment(env: HostEnvironment): Layout {
  const cacheDir = absolute(env, "PYRO_CACHE_DIR") ?? join(cacheHome(env), "pyro-mcp");
  return {
    environmentsDir: absolute(env, "PYRO_ENVIRONMENT_CACHE_DIR") ?? join(cacheDir, "environments"),
    templatesDir: join(cacheDir, "templates"),
    factsDir: join(cacheDir, "facts"),
    locksDir: join(cacheDir, "locks"),
    scratchDir: join(cacheDir, "scratch"),
    seedsDir: join(cacheDir, "seeds"),
    workspacesDir: join(absolute(env, "PYRO_STATE_DIR") ?? join(stateHome(env), "pyro-mcp"), "workspaces"),
    agentPath: absolute(env, "PYRO_AGENT_PATH") ?? join(packageDir(), "agent/build", agentFileName()),
    supervisorPath: join(packageDir(), "bin/supervisor.js"),
  };
}

function cacheHome(env: HostEnvironment): string {
  return absolute(env, "XDG_CACHE_HOME") ?? join(home(env), ".cache");
}

function stateHome(env: HostEnvironment): string {
  return absolute(env, "XDG_STATE_HOME") ?? join(home(env), ".local/state");
}

function home(env: HostEnvironment): string {
  return absolute(env, "HOME") ?? homedir();
}

function absolute(env: HostEnvironment, name: string): string | undefined {
  const value = env[name];
  if (value === undefined || value === "") return undefined;
  const problem = isAbsolute(value) ? hostPathProblem(value) : "it must be an absolute path";
  if (problem === undefined) return value;
  throw new PyroError("invalid_argument", `cannot use ${name}='${shownPath(value)}': ${problem}`);
}

function packageDir(): string {
  return dirname(createRequire(import.meta.url).resolve("pyro-mcp/package.json"));
}

function agentFileName(): string {
  return `pyro-agent-linux-${process.arch}`;
}
