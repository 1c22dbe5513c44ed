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
  const { layers, snapshots } = record;
  const loss = await lossOf(merged);
  if (loss !== undefined) return replaceRootDisk(merged, loss);
  try {
    const machine = await bootWorkspaceMachine(merged);
    return { machine, change: { layers, snapshots, isolation: machine.isolation } };
  } catch (error) {
    if (!isUncleanEnd(merged) || request.signal?.aborted) throw error;
    complain("cannot boot the root disk", error);
    return replaceRootDisk(merged, `it could not be booted after its machine had been cut off: ${reasonOf(error)}`);
  }
}

/** Why the root disk cannot be what the guest has written. Undefined if it is. */
async function lossOf({ place, record }: MachineRequest): Promise<string | undefined> {
  if (!isUncleanEnd({ record }) || record.rootUnsyncedIn === (await storageSession(place.disksDir))) return undefined;
  return "the host crashed, or its disk was taken away, before all of it was on that disk";
}

/** Whether the machine ended without its root disk being synced. */
function isUncleanEnd({ record }: Pick<MachineRequest, "record">): boolean {
  return record.rootUnsyncedIn !== null;
}

async function replaceRootDisk(request: MachineRequest, reason: string): Promise<NewMachine> {
  const { snapshots, layers } = request.record;
  const { machine, disks } = await forkWorkspaceMachine(request, layers);
  const rootLoss = { at: new Date().toISOString(), reason };
  return { machine, change: { ...disks, snapshots, rootLoss, isolation: machine.isolation } };
}

function reasonOf(error: unknown): string {
  return PyroError.from(error).message.slice(0, 500);
}
