import { PyroError } from "../../core/errors.ts";
import { storageSession } from "../../host/system.ts";
import { complain } from "../control/complain.ts";
import type { NewMachine } from "../control/owned-workspace.ts";
import { bootWorkspaceMachine, forkWorkspaceMachine, type MachineRequest, mergeLayers } from "./machine.ts";

/**
 * The machine of a workspace that does not run, on its own disks. A root disk that a crash of the
 * host has torn is replaced by a new one, and the record says what is lost with it.
 */
export async function resumeMachine(request: MachineRequest): Promise<NewMachine> {
  const record = await mergeLayers(request);
  const merged = { ...request, record };
  const { layers, snapshots, rootUnsyncedIn } = record;
  const isWhole = rootUnsyncedIn === null;
  if (!isWhole && rootUnsyncedIn !== (await storageSession(request.place.disksDir))) {
    return replaceRootDisk(merged, restarted);
  }
  try {
    const machine = await bootWorkspaceMachine(merged);
    return { machine, change: { layers, snapshots, isolation: machine.isolation } };
  } catch (error) {
    if (isWhole || request.signal?.aborted) throw error;
    complain("cannot boot the root disk", error);
    return replaceRootDisk(merged, `it could not be booted after its machine had been cut off: ${reasonOf(error)}`);
  }
}

/** A restart in good order may have kept all of it, but nothing shows that. */
const restarted = "the host has restarted, or its disk was attached anew, since it was written without being synced";

async function replaceRootDisk(request: MachineRequest, reason: string): Promise<NewMachine> {
  const { snapshots, baseline, layers } = request.record;
  const { machine, disks } = await forkWorkspaceMachine(request, { layers, hasChanges: false });
  const rootLoss = { at: new Date().toISOString(), reason };
  return { machine, change: { ...disks, snapshots, baseline, rootLoss, isolation: machine.isolation } };
}

function reasonOf(error: unknown): string {
  return PyroError.from(error).message.slice(0, 500);
}
