import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layoutFromEnvironment } from "../../src/host/layout.ts";
import type { Disk, VmSpec } from "../../src/vm/driver.ts";
import { findNamespaceObstacle, namespaceDriver } from "../helpers/namespaces/driver.ts";
import { makeWorkspaceImage } from "../helpers/workspace-image.ts";
import { describeDriver } from "./driver-contract.ts";
import { type DriverHarness, seedFiles } from "./harness.ts";

describeDriver({
  name: "namespace",
  lacks: ["snapshots", "liveLayers", "layeredDisks"],
  obstacle: findNamespaceObstacle(),
  async makeHarness(): Promise<DriverHarness> {
    const dir = await mkdtemp(join(tmpdir(), "pyro-contract-"));
    const seedPath = join(dir, "seed");
    await makeWorkspaceImage({ path: seedPath, sizeMib: 64, files: seedFiles });
    const { agentPath } = layoutFromEnvironment(process.env);
    let count = 0;
    return {
      driver: namespaceDriver(agentPath),
      async makeSpec(): Promise<VmSpec> {
        const path = join(dir, `disk-${++count}`);
        await copyFile(seedPath, path);
        const disk: Disk = { layers: [{ path, format: "raw" }], disposable: false, durable: false };
        return {
          name: "a machine without a VM",
          machine: {
            accelerator: "tcg",
            vcpuCount: 1,
            memoryMib: 256,
            kernelPath: "/none",
            initramfsPath: "/none",
            kernelCommandLine: "",
          },
          memoryPath: null,
          rootDisk: disk,
          workspaceDisk: disk,
        };
      },
      makeForkSpec: () => Promise.reject(new Error("it cannot fork")),
      makeLayer: () => Promise.reject(new Error("it takes no layers")),
      [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
    };
  },
});
