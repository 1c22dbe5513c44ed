import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BootableEnvironment } from "../environments/store.ts";
import { writeInitramfs } from "../environments/initramfs.ts";
import { ensureDir } from "../host/files.ts";
import type { Accelerator, Driver, VmSpec } from "../vmm/driver.ts";
import { bootGuest } from "./boot.ts";
import { type MachineShape, machineSpec, rootDiskBytes, workspaceDiskBytes } from "./machine.ts";
import { publishTemplate, stagingDirOf, type Template, type TemplateFile, templateFiles } from "./template-store.ts";

/** A boot takes about 3 s in emulation on an idle host; a busy one may need many times that. */
const bootTimeoutMs = 120_000;

export interface TemplateBuildRequest {
  readonly templatesDir: string;
  readonly key: string;
  readonly driver: Driver;
  readonly environment: BootableEnvironment;
  readonly agentPath: string;
  readonly shape: MachineShape;
  readonly accelerator: Accelerator;
  readonly signal?: AbortSignal | undefined;
}

/** Boots a machine once and freezes it; the caller holds the template's lock. */
export async function buildTemplate(request: TemplateBuildRequest): Promise<Template> {
  const { templatesDir, key, driver, environment, shape, accelerator, signal } = request;
  const startedMs = performance.now();
  const staging = stagingDirOf(templatesDir, key);
  const pathOf = (file: TemplateFile) => join(staging, templateFiles[file]);
  // What an interrupted build left is of no use to anybody.
  await rm(staging, { recursive: true, force: true });
  await ensureDir(staging);
  try {
    const spec = await layOutMachine(request, pathOf);
    await using guest = await bootGuest(driver, spec, { timeoutMs: bootTimeoutMs, signal });
    await guest.agent.freeze(signal);
    await guest.vm.freeze(pathOf("state"), signal);
    await guest.vm.stop();
    await protectFiles(driver, pathOf);
    return await publishTemplate(templatesDir, {
      key,
      environment: environment.name,
      environmentDigest: environment.digest,
      accelerator,
      ...shape,
      vmm: `${driver.features.vmm} ${driver.features.version}`,
      createdAt: new Date().toISOString(),
      buildDurationMs: Math.round(performance.now() - startedMs),
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Everything that a first boot needs, in the folder that becomes the template. */
export async function layOutMachine(
  request: Pick<TemplateBuildRequest, "driver" | "environment" | "agentPath" | "shape" | "accelerator">,
  pathOf: (file: TemplateFile) => string,
): Promise<VmSpec> {
  const { driver, environment, agentPath, shape, accelerator } = request;
  const base = { path: environment.rootImagePath, format: "raw" } as const;
  const rootLayer = { path: pathOf("rootLayer"), format: "qcow2" } as const;
  await Promise.all([
    writeInitramfs({ path: pathOf("initramfs"), agentPath, modulesPath: environment.modulesPath }),
    driver.createOverlay(rootLayer.path, rootDiskBytes, base),
    driver.createOverlay(pathOf("emptyWorkspaceLayer"), workspaceDiskBytes),
    driver.createOverlay(pathOf("emptyRootLayer"), rootDiskBytes),
  ]);
  return {
    name: `the template of ${environment.name}`,
    machine: machineSpec({
      shape,
      accelerator,
      kernelPath: environment.kernelPath,
      initramfsPath: pathOf("initramfs"),
    }),
    memoryPath: pathOf("memory"),
    rootDisk: { layers: [base, rootLayer], disposable: false, durable: false },
    // The guest leaves this disk alone until it is forked, so the empty layer stays empty.
    workspaceDisk: {
      layers: [{ path: pathOf("emptyWorkspaceLayer"), format: "qcow2" }],
      disposable: false,
      durable: false,
    },
  };
}

/** Forks map the memory and read the layers: from now on nobody may write them. */
async function protectFiles(driver: Driver, pathOf: (file: TemplateFile) => string): Promise<void> {
  for (const file of Object.keys(templateFiles) as TemplateFile[]) {
    if (file === "memory" && !driver.features.mapsReadOnlyMemory) continue;
    await chmod(pathOf(file), 0o444);
  }
}
