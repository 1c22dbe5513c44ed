import { rm } from "node:fs/promises";
import type { BootableEnvironment } from "../../images/store.ts";
import type { MachineDisks } from "../machine.ts";
import { copyToScratch, openScratch } from "../scratch.ts";
import type { Template } from "../templates/store.ts";

export interface ScratchDisksRequest {
  readonly id: string;
  readonly template: Template;
  readonly environment: BootableEnvironment;
  readonly scratchDir: string;
}

/** Lends disks for a machine that must leave nothing: their files lose their names once it runs. */
export async function withScratchDisks<T>(
  request: ScratchDisksRequest,
  use: (disks: MachineDisks) => Promise<T>,
): Promise<T> {
  const { id, template, environment, scratchDir } = request;
  await openScratch(scratchDir);
  const [rootTop, workspaceTop] = await Promise.all([
    copyToScratch(scratchDir, template.pathOf("emptyRootLayer"), `${id}-root`),
    copyToScratch(scratchDir, template.pathOf("emptyWorkspaceLayer"), `${id}-workspace`),
  ]);
  try {
    return await use({
      rootDisk: {
        layers: [
          { path: environment.rootImagePath, format: "raw" },
          { path: template.pathOf("rootLayer"), format: "qcow2" },
          { path: rootTop, format: "qcow2" },
        ],
        disposable: true,
        durable: false,
      },
      workspaceDisk: { layers: [{ path: workspaceTop, format: "qcow2" }], disposable: true, durable: false },
    });
  } finally {
    // They have no names any more, unless the VM could not be started.
    await Promise.all([rootTop, workspaceTop].map((path) => rm(path, { force: true })));
  }
}
