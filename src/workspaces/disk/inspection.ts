import { randomBytes } from "node:crypto";
import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { signLockFile } from "../../host/lock/lock-file.ts";
import { forkMachine, type Machine, type MachineDisks } from "../../machines/machine.ts";
import { withScratchLayers } from "../../machines/scratch.ts";
import { forkTemplate } from "../../machines/templates/fork.ts";
import { findVmTools } from "../../machines/vm-tools.ts";
import type { Disk, DiskLayer } from "../../vm/driver.ts";
import { requirePower } from "../../vm/features.ts";
import { askWorkspace, type WorkspaceCall } from "../control/access.ts";
import { requireEnvironmentFiles } from "../life/environment-use.ts";
import { machineDisks } from "../life/machine.ts";
import type { WorkspaceRecord } from "../record/record.ts";
import type { WorkspacePlace } from "../record/store.ts";

/** Names of the added disks in the guest, in the order in which it finds them */
export const rootDevice = "/dev/vdc";
export const outputDevice = "/dev/vdd";

export interface InspectionOptions {
  /** What is done with the disks: `list` */
  readonly verb: string;
  /** Raw file that the guest writes as its `outputDevice` */
  readonly outputPath?: string;
}

/**
 * Lends a machine that has the disks of a stopped workspace and runs nothing of it. Its kernel
 * parses their file systems, and replays their journals into layers that are thrown away. The
 * workspace's lock is held meanwhile, so the disks stay as they are.
 */
export async function withInspection<T>(
  call: WorkspaceCall,
  options: InspectionOptions,
  use: (machine: Machine) => Promise<T>,
): Promise<T> {
  return askWorkspace(call, {
    async running({ connection }) {
      connection.close();
      throw notStopped(call.workspaceId, options.verb);
    },
    async idle({ record }, place) {
      await signLockFile(place.lockPath, `${options.verb}ing the disks of workspace '${call.workspaceId}'`).catch(
        () => {
          // The lock holds without it.
        },
      );
      await using machine = await forkInspection(call, place, record, options);
      return await use(machine);
    },
  });
}

async function forkInspection(
  { context, signal }: WorkspaceCall,
  place: WorkspacePlace,
  record: WorkspaceRecord,
  { verb, outputPath }: InspectionOptions,
): Promise<Machine> {
  await requireEnvironmentFiles(record, `${verb} the disks of`);
  const { environment, vcpuCount, memMib } = record;
  const { scratchDir } = context.layout;
  const tools = await findVmTools(context);
  requirePower(tools.driver.features, "addedDisks", `cannot ${verb} the disks of workspace '${record.workspaceId}'`);
  const id = randomBytes(6).toString("hex");
  const stopped = machineDisks(place, record);
  const output: readonly Disk[] =
    outputPath === undefined
      ? []
      : [{ layers: [{ path: outputPath, format: "raw" }], ownsRaw: true, disposable: false, durable: true }];
  const request = { ...tools, environment, shape: { vcpuCount, memMib }, rebuild: false };
  return forkTemplate(context, request, { signal }, (template) =>
    withScratchLayers(
      { id, template, scratchDir },
      ["emptyRootLayer", "emptyRootLayer", "emptyWorkspaceLayer"],
      ([ownTop, rootTop, workspaceTop]) => {
        const disks: MachineDisks = {
          rootDisk: {
            layers: [
              { path: environment.rootImagePath, format: "raw" },
              { path: template.pathOf("rootLayer"), format: "qcow2" },
              ownTop,
            ],
            disposable: true,
            durable: false,
          },
          workspaceDisk: covered(stopped.workspaceDisk, workspaceTop),
          addedDisks: [covered(stopped.rootDisk, rootTop), ...output],
        };
        return forkMachine({ id, driver: tools.driver, template, environment, disks, workspace: "as-it-is", signal });
      },
    ),
  );
}

/** The same disk, whose layers the machine only reads. */
function covered({ layers }: Disk, top: DiskLayer): Disk {
  return { layers: [...layers, top], disposable: true, durable: false };
}

export function notStopped(workspaceId: string, verb: string): PyroError {
  return new PyroError(
    "failed_precondition",
    `cannot ${verb} the disks of workspace '${workspaceId}': it must be stopped before they are looked at`,
    { hint: hint`${toRun("workspace.stop", { workspaceId })}.` },
  );
}
