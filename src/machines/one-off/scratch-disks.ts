import type { BootableEnvironment } from "../../images/store.ts";
import type { MachineDisks } from "../machine.ts";
import { type ScratchLayersRequest, withScratchLayers } from "../scratch.ts";

export interface ScratchDisksRequest extends ScratchLayersRequest {
  readonly environment: BootableEnvironment;
}

/** Lends disks for a machine that must leave nothing. */
export async function withScratchDisks<T>(
  request: ScratchDisksRequest,
  use: (disks: MachineDisks) => Promise<T>,
): Promise<T> {
  const { template, environment } = request;
  return withScratchLayers(request, ["emptyRootLayer", "emptyWorkspaceLayer"], ([rootTop, workspaceTop]) =>
    use({
      rootDisk: {
        layers: [
          { path: environment.rootImagePath, format: "raw" },
          { path: template.pathOf("rootLayer"), format: "qcow2" },
          rootTop,
        ],
        disposable: true,
        durable: false,
      },
      workspaceDisk: { layers: [workspaceTop], disposable: true, durable: false },
    }),
  );
}
