import { PyroError } from "../../core/errors.ts";
import { hint } from "../../core/hint.ts";
import { pathExists } from "../../host/files.ts";
import type { EngineContext } from "../../machines/context.ts";
import { inWords, toCall } from "../record/kind.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import { listStored } from "../record/store.ts";

/**
 * Files of environments that workspaces need. A workspace that cannot be read can only be deleted,
 * and needs none.
 */
export async function environmentFilesInUse({ layout }: EngineContext): Promise<ReadonlySet<string>> {
  const stored = await listStored(layout.workspacesDir, "workspace", "vm");
  return new Set(stored.flatMap((workspace) => (workspace.status === "ok" ? filesOf(workspace.record) : [])));
}

/** Refuses to give a workspace a machine if the cache no longer has its environment. */
export async function requireEnvironmentFiles(record: WorkspaceRecord, action = "start"): Promise<void> {
  for (const path of filesOf(record)) {
    if (await pathExists(path)) continue;
    const { workspaceId, environment } = record;
    throw new PyroError(
      "failed_precondition",
      `cannot ${action} ${inWords(workspaceId)}: '${path}' of its environment ${environment.name} ${environment.version} is gone`,
      { hint: hint`Restore that file, or ${toCall("delete", workspaceId)}.` },
    );
  }
}

function filesOf({ environment }: WorkspaceRecord): string[] {
  return [environment.kernelPath, environment.modulesPath, environment.rootImagePath];
}
