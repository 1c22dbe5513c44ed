import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { PyroError } from "../../core/errors.ts";
import { oddKind } from "./look.ts";
import { pseudoFileSystemOf, pseudoReason } from "./pseudo.ts";

/** Far above the size of the agent, which guests hold in memory */
const maxBytes = 256 * 1024 ** 2;

/** Refuses an agent that is no file with an end. PYRO_AGENT_PATH can lead to one. It must exist. */
export async function requireAgentFile(path: string): Promise<void> {
  const [stats, fileSystem] = [await stat(path), await pseudoFileSystemOf(path)];
  const reason = fileSystem === undefined ? problemOf(stats) : pseudoReason(fileSystem);
  if (reason === undefined) return;
  throw new PyroError("invalid_argument", `cannot start a guest with the agent '${path}': ${reason}`, {
    hint: "Set PYRO_AGENT_PATH to the agent's program, or leave it out.",
  });
}

function problemOf(stats: Stats): string | undefined {
  if (!stats.isFile()) return `it is ${oddKind(stats) ?? "a directory"}`;
  return stats.size > maxBytes ? `it is larger than ${maxBytes / 1024 ** 2} MiB` : undefined;
}
