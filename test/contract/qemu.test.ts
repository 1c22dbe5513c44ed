import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inject } from "vitest";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import { findEnvironment } from "../../src/images/store.ts";
import { defaultShape, workspaceDiskBytes } from "../../src/machines/shape.ts";
import { layOutMachine } from "../../src/machines/templates/builder.ts";
import { templateFiles } from "../../src/machines/templates/store.ts";
import { findVmTools } from "../../src/machines/vm-tools.ts";
import type { Disk, VmSpec } from "../../src/vm/driver.ts";
import { engineContext } from "../helpers/engine-context.ts";
import { makeWorkspaceImage } from "../helpers/workspace-image.ts";
import { describeDriver } from "./driver-contract.ts";
import { type DriverHarness, seedFiles } from "./harness.ts";

describeDriver({
  name: "QEMU",
  lacks: [],
  obstacle: inject("vmUnavailable"),
  async makeHarness(): Promise<DriverHarness> {
    const dir = await mkdtemp(join(tmpdir(), "pyro-contract-"));
    const seedPath = join(dir, "seed");
    await makeWorkspaceImage({ path: seedPath, sizeMib: 64, files: seedFiles });
    const { driver, disks } = await findVmTools(engineContext(dir, { searchPath: process.env["PATH"] ?? "" }));
    const { environmentsDir, agentPath } = layoutFromEnvironment(process.env);
    const environment = await findEnvironment({ environmentsDir }, "debian:12");
    if (!environment) throw new Error("debian:12 is not installed");
    let count = 0;
    const newLayer = async (layersDir: string) => {
      const path = join(layersDir, `layer-${++count}`);
      await disks.createOverlay(path, workspaceDiskBytes);
      return path;
    };
    const workspaceDisk = async (layersDir: string): Promise<Disk> => ({
      layers: [
        { path: seedPath, format: "raw" },
        { path: await newLayer(layersDir), format: "qcow2" },
      ],
      disposable: false,
      durable: true,
    });
    return {
      driver,
      async makeSpec(): Promise<VmSpec> {
        const machineDir = join(dir, `machine-${++count}`);
        await mkdir(machineDir);
        const machine = { disks, environment, agentPath, shape: defaultShape, accelerator: "tcg" } as const;
        const spec = await layOutMachine(machine, machineDir);
        return { ...spec, workspaceDisk: await workspaceDisk(machineDir), layersDir: machineDir };
      },
      async makeForkSpec(frozen) {
        const machineDir = dirname(frozen.memoryPath ?? "");
        const rootTop = join(machineDir, `root-${++count}`);
        await copyFile(join(machineDir, templateFiles.emptyRootLayer), rootTop);
        return {
          ...frozen,
          rootDisk: {
            layers: [...frozen.rootDisk.layers, { path: rootTop, format: "qcow2" }],
            disposable: true,
            durable: false,
          },
          workspaceDisk: await workspaceDisk(machineDir),
        };
      },
      async makeLayer({ layersDir = "" }) {
        const path = await newLayer(layersDir);
        return path.slice(layersDir.length + 1);
      },
      [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
    };
  },
});
