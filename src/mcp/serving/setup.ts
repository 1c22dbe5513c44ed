import { composeEngineContext, composeMayUseHost, composePatienceMs } from "../../compose.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";
import { requireEnvironmentName } from "../../operations/fields.ts";
import { type ToolsetChoice, toolsetOf } from "../../operations/toolsets.ts";
import { type ProjectFlags, requireOneSource, startOf } from "../../projects/start.ts";
import type { ServerSetup } from "../server.ts";

export interface ServerFlags extends ProjectFlags, ToolsetChoice {
  readonly environment?: string | undefined;
  readonly network: NetworkRules;
}

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Names a flag as the server's user has given it */
  nameFlag(flag: string): string;
}

/**
 * What all connections of a server have in common. Fails if flags exclude each other, or if the
 * project that they name cannot be used.
 */
export async function setUpServer(flags: ServerFlags, { env, cwd, nameFlag }: Surroundings): Promise<ServerSetup> {
  const toolset = toolsetOf(flags, nameFlag);
  requireOneSource(flags, nameFlag);
  const { network, environment } = flags;
  if (environment !== undefined) requireEnvironmentName(environment);
  const start = startOf(flags, cwd);
  // A project that the user did not name is detected in the background.
  if (flags.projectPath !== undefined || flags.repoUrl !== undefined) await start;
  return {
    engine: composeEngineContext(env),
    patienceMs: composePatienceMs(env),
    mayUseHost: composeMayUseHost(env),
    toolset,
    start,
    network,
    environment,
  };
}
