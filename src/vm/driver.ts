import type { Duplex } from "node:stream";

export const accelerators = ["kvm", "tcg"] as const;
export type Accelerator = (typeof accelerators)[number];

/**
 * What a machine is made of. A frozen machine can be continued only on an identical one, so every field is part of a template's key;
 * what stands behind the devices (which disk files, which network) is not here and may differ.
 */
export interface MachineSpec {
  readonly accelerator: Accelerator;
  readonly vcpuCount: number;
  readonly memoryMib: number;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly kernelCommandLine: string;
}

/** One layer of a disk; the layers below the last are shared and never written. */
export interface DiskLayer {
  readonly path: string;
  readonly format: "raw" | "qcow2";
}

export interface Disk {
  /** From the base to the top; the VM writes to the last one only */
  readonly layers: readonly [DiskLayer, ...DiskLayer[]];
  /** The top layer has no name on disk once the VM runs, and vanishes with it */
  readonly disposable: boolean;
  /** Whether the guest's flushes reach the host's disk; false for what nobody keeps */
  readonly durable: boolean;
}

export interface VmSpec {
  /** Names the VM in the process list and in messages */
  readonly name: string;
  readonly machine: MachineSpec;
  /** The machine's RAM: a shared file that the VM writes (to be frozen), a private view of a frozen one, or none (never to be frozen) */
  readonly memoryPath: string | null;
  readonly rootDisk: Disk;
  readonly workspaceDisk: Disk;
  /** Folder from which the running VM can take more layers for its workspace disk; only its own */
  readonly layersDir?: string;
}

/** How a VM's process ended, with the end of what it and the guest's console said. */
export interface VmExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
}

export interface Vm extends AsyncDisposable {
  readonly pid: number;
  /** The byte stream to the guest agent */
  readonly agentStream: Duplex;
  /**
   * Puts an empty qcow2 file of `layersDir` on top of the workspace disk, while the guest runs. What was the top is complete, up to what the
   * guest had flushed, and not written any more
   */
  pushWorkspaceLayer(fileName: string): Promise<void>;
  /** Resolves, never rejects, when the VM's process is gone, for whatever reason */
  readonly exited: Promise<VmExit>;
  /** Kills the VM and resolves when its process is gone; idempotent */
  stop(): Promise<void>;
}

export interface BootedVm extends Vm {
  /** Pauses the VM for good and writes its device state, beside its memory file, which is complete by then */
  freeze(statePath: string, signal?: AbortSignal): Promise<void>;
}

/** What a driver can do on this host, as data. */
export interface DriverFeatures {
  readonly vmm: string;
  readonly version: string;
  /** The program that runs VMs */
  readonly path: string;
  /** Everything about the program that a frozen machine depends on, as one string */
  readonly fingerprint: string;
  /** Forks can map a memory file that they may not write */
  readonly mapsReadOnlyMemory: boolean;
}

export interface Extent {
  /** Offset in `bytes` */
  readonly start: number;
  /** In `bytes` */
  readonly length: number;
}

export interface Driver {
  readonly features: DriverFeatures;
  /** All that this driver makes of a machine, as one string: two machines are alike when it is */
  describeMachine(machine: MachineSpec): string;
  /** Starts a machine from nothing; its memory file is made, and shared, so that it can be frozen */
  boot(spec: VmSpec, signal?: AbortSignal): Promise<BootedVm>;
  /**
   * Continues a frozen machine with private memory and its own disks. Fails with `failed_precondition` when the frozen state itself is the
   * reason, so that making it anew can help
   */
  fork(spec: VmSpec, statePath: string, signal?: AbortSignal): Promise<Vm>;
  /** The parts of a file that are not holes; reading only them makes looking at a big sparse file cheap */
  dataExtents(path: string, signal?: AbortSignal): Promise<readonly Extent[]>;
  /** Writes what the last of these layers holds into the one below it, which then is both; a crash in between changes nothing that they read as */
  mergeTopLayer(layers: readonly DiskLayer[]): Promise<void>;
  /** Makes an empty disk layer over `base`, of `sizeBytes` as the guest sees it */
  createOverlay(path: string, sizeBytes: number, base?: DiskLayer): Promise<void>;
}
