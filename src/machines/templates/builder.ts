import { chmod, open, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { AgentClient } from "../../guest/agent.ts";
import { requireFreeBytes } from "../../host/disk-space.ts";
import { ensureDir } from "../../host/files.ts";
import { writeInitramfs } from "../../images/initramfs.ts";
import type { BootableEnvironment } from "../../images/store.ts";
import type { Accelerator, VmSpec } from "../../vm/driver.ts";
import type { DriverFeatures } from "../../vm/features.ts";
import { bootGuest } from "../boot.ts";
import { newIdentity } from "../identity.ts";
import { type MachineShape, machineSpec, rootDiskBytes, workspaceDiskBytes } from "../shape.ts";
import type { VmTools } from "../vm-tools.ts";
import { publishTemplate, stagingDirOf, type Template, type TemplateFile, templateFiles } from "./store.ts";

/** A boot takes about 3 s in emulation on an idle host; a busy one may need many times that. */
const bootTimeoutMs = 120_000;

/** Twice the memory that a boot touches, which was measured at 150 MiB */
const bootRoomMib = 300;
/** Linux describes each 4 KiB page in 64 bytes */
const memoryMapShare = 1 / 64;

/** The first command warms the guest's caches, the second what the first one left for the next */
const rehearsals = 2;
const rehearsalTimeoutMs = 30_000;

/** A bzImage's setup code has at most 64 sectors, and QEMU reads no further than its header */
const kernelHeadBytes = 64 * 1024;
const initramfsHeadBytes = 512;

export interface TemplateBuildRequest extends VmTools {
  readonly templatesDir: string;
  readonly key: string;
  readonly environment: BootableEnvironment;
  readonly agentPath: string;
  readonly shape: MachineShape;
  readonly accelerator: Accelerator;
  readonly signal?: AbortSignal | undefined;
}

/** Boots a machine once and freezes it; the caller holds the template's lock. */
export async function buildTemplate(request: TemplateBuildRequest): Promise<Template> {
  const { templatesDir, key, driver, disks, environment, shape, accelerator, signal } = request;
  const startedMs = performance.now();
  const staging = stagingDirOf(templatesDir, key);
  // An interrupted build leaves nothing of use.
  await rm(staging, { recursive: true, force: true });
  await ensureDir(staging);
  try {
    const spec = await layOutMachine(request, staging);
    await using guest = await bootGuest(driver, spec, { timeoutMs: bootTimeoutMs, signal });
    await rehearse(guest.agent, signal);
    await guest.agent.freeze(signal);
    await guest.vm.freeze(join(staging, templateFiles.state), signal);
    await guest.vm.stop();
    await finishFiles(driver.features, spec, staging);
    const facts = {
      key,
      environment: environment.name,
      environmentDigest: environment.digest,
      accelerator,
      ...shape,
      vmm: `${driver.features.vmm} ${driver.features.version}`,
      createdAt: new Date().toISOString(),
      buildDurationMs: Math.round(performance.now() - startedMs),
    };
    return await publishTemplate(templatesDir, facts, disks, signal);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Puts everything that a first boot needs into one folder. */
export async function layOutMachine(
  request: Pick<TemplateBuildRequest, "disks" | "environment" | "agentPath" | "shape" | "accelerator">,
  dir: string,
): Promise<VmSpec> {
  const { disks, environment, agentPath, shape, accelerator } = request;
  // A memory file that cannot grow kills QEMU in the middle of a boot.
  const neededMib = bootRoomMib + Math.ceil(shape.memMib * memoryMapShare);
  await requireFreeBytes("cannot build a template", dirname(dir), neededMib * 1024 ** 2);
  const pathOf = (file: TemplateFile) => join(dir, templateFiles[file]);
  const initramfsPath = join(dir, "initramfs");
  const base = { path: environment.rootImagePath, format: "raw" } as const;
  const rootLayer = { path: pathOf("rootLayer"), format: "qcow2" } as const;
  const workspaceLayer = { path: pathOf("emptyWorkspaceLayer"), format: "qcow2" } as const;
  await Promise.all([
    writeInitramfs({ path: initramfsPath, agentPath, modulesPath: environment.modulesPath }),
    disks.createOverlay(rootLayer.path, rootDiskBytes, base),
    disks.createOverlay(workspaceLayer.path, workspaceDiskBytes),
    disks.createOverlay(pathOf("emptyRootLayer"), rootDiskBytes),
  ]);
  // QEMU may run as another user, and the umask may deny others.
  await chmod(initramfsPath, 0o444);
  return {
    name: `the template of ${environment.name}`,
    machine: machineSpec({ shape, accelerator, kernelPath: environment.kernelPath, initramfsPath }),
    memoryPath: pathOf("memory"),
    rootDisk: { layers: [base, rootLayer], disposable: false, durable: false },
    // The guest does not touch this disk before it is forked, so the empty layer stays empty.
    workspaceDisk: { layers: [workspaceLayer], disposable: false, durable: false },
  };
}

/**
 * Does once what every fork does first, so that forks find in memory what that reads and prepares.
 * The freeze takes the identity back.
 */
async function rehearse(agent: AgentClient, signal: AbortSignal | undefined): Promise<void> {
  await agent.fork(newIdentity("template"), signal);
  for (let round = 0; round < rehearsals; round++) {
    await agent.exec(
      { argv: ["/bin/sh", "-c", "exec true"], timeoutMs: rehearsalTimeoutMs, stdin: false },
      { ...ignoreOutput, signal },
    );
  }
}

const ignoreOutput = { onStdout() {}, onStderr() {} };

/** Makes the files read-only, because forks map the memory and read the layers. */
async function finishFiles(features: DriverFeatures, { machine }: VmSpec, dir: string): Promise<void> {
  await Promise.all([
    copyHead(machine.kernelPath, join(dir, templateFiles.kernelHead), kernelHeadBytes),
    copyHead(machine.initramfsPath, join(dir, templateFiles.initramfsHead), initramfsHeadBytes),
  ]);
  await rm(machine.initramfsPath);
  for (const file of Object.keys(templateFiles) as TemplateFile[]) {
    if (file === "memory" && !features.mapsReadOnlyMemory) continue;
    await chmod(join(dir, templateFiles[file]), 0o444);
  }
}

async function copyHead(source: string, target: string, lengthBytes: number): Promise<void> {
  await using file = await open(source, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(lengthBytes), 0, lengthBytes, 0);
  await writeFile(target, buffer.subarray(0, bytesRead), { flag: "wx" });
}
