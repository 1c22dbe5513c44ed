import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import type { EngineCallOptions, EngineContext } from "../../machines/context.ts";
import { ensureTemplate } from "../../machines/templates/ensure.ts";
import { findVmTools } from "../../machines/vm-tools.ts";
import {
  execInWorkspace,
  type WorkspaceExecOptions,
  type WorkspaceExecOutcome,
  type WorkspaceExecRequest,
} from "../command/caller.ts";
import { currentRecord } from "../control/access.ts";
import { deleteWorkspace, startWorkspace } from "../life/caller.ts";
import { isExpired, type WorkspaceRecord } from "../record/record.ts";
import { listStored, sweepLeftovers, WorkspacePlace } from "../record/store.ts";

/** Starts a machine. Its first start makes what this host lacks, whose user sees the progress. */
export async function startVm(
  context: EngineContext,
  vmId: string,
  options: EngineCallOptions,
): Promise<WorkspaceRecord> {
  const { environment, vcpuCount, memMib, layers } = await currentRecord(context, vmId);
  if (layers.length === 0) {
    const tools = await findVmTools(context);
    await ensureTemplate(context, { ...tools, environment, shape: { vcpuCount, memMib } }, options);
  }
  return startWorkspace({ context, workspaceId: vmId, signal: options.signal });
}

export interface VmExecOutcome extends WorkspaceExecOutcome {
  readonly environment: string;
  readonly isDeleted: boolean;
}

/**
 * Runs the one command of a machine that runs. The machine is gone before this returns or fails,
 * unless the command was refused before it began.
 */
export async function execInVm(
  context: EngineContext,
  vmId: string,
  request: Pick<WorkspaceExecRequest, "command" | "timeoutMs">,
  options: WorkspaceExecOptions,
): Promise<VmExecOutcome> {
  const { environment } = await currentRecord(context, vmId);
  const outcome = await execInWorkspace(context, { ...request, workspaceId: vmId, isOnly: true }, options).catch(
    (error: unknown) => {
      throw PyroError.from(error).code === "outcome_unknown" ? unknownOutcome(error) : error;
    },
  );
  const { dir } = new WorkspacePlace(context.layout.workspacesDir, vmId);
  return { ...outcome, environment: environment.name, isDeleted: !(await pathExists(dir)) };
}

/** The general advice is to look at it, and there is nothing left to look at. */
function unknownOutcome(cause: unknown): PyroError {
  return new PyroError("outcome_unknown", PyroError.from(cause).message, {
    hint: "Its machine and its output are gone: run it in another one, if it may be repeated.",
    cause,
  });
}

/** Removes the machines that have expired, and returns their ids. */
export async function reapExpiredVms(context: EngineContext, signal?: AbortSignal): Promise<readonly string[]> {
  const { workspacesDir } = context.layout;
  await sweepLeftovers(workspacesDir);
  const expired = (await listStored(workspacesDir, "vm")).flatMap((stored) =>
    stored.status === "ok" && isExpired(stored.record) ? [stored.place.workspaceId] : [],
  );
  const reaped = await Promise.all(expired.map((vmId) => reap({ context, workspaceId: vmId, signal })));
  return reaped.flat();
}

async function reap(wanted: Parameters<typeof deleteWorkspace>[0]): Promise<readonly string[]> {
  try {
    await deleteWorkspace(wanted);
    return [wanted.workspaceId];
  } catch (error) {
    // Its own supervisor or guardian was faster.
    if (PyroError.from(error).code === "not_found") return [];
    throw error;
  }
}
