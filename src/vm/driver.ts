import type { Duplex } from "node:stream";
import { PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import type { DriverFeatures } from "./features.ts";

export const accelerators = ["kvm", "tcg"] as const;
export type Accelerator = (typeof accelerators)[number];

/**
 * Hardware of a machine. A frozen machine continues only on identical hardware, so every field is
 * part of a template's key. The files and networks behind the devices may differ.
 */
export interface MachineSpec {
  readonly accelerator: Accelerator;
  readonly vcpuCount: number;
  readonly memoryMib: number;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly kernelCommandLine: string;
}

export type DiskFormat = "raw" | "qcow2";

/** One file of a disk. Machines share the layers below the top one, and none writes them. */
export interface DiskLayer {
  readonly path: string;
  readonly format: DiskFormat;
}

export interface Disk {
  /** Layers from the base to the top; the VM writes only the top one */
  readonly layers: readonly [DiskLayer, ...DiskLayer[]];
  /** Whether the top layer loses its name once the VM runs, and vanishes with it */
  readonly disposable: boolean;
  /** Whether the guest's flushes reach the host's disk; false for content that is not kept */
  readonly durable: boolean;
  /** Whether the top layer is this machine's alone, though it is raw */
  readonly ownsRaw?: boolean;
}

export interface VmSpec {
  /** Name of the VM in the process list and in messages */
  readonly name: string;
  readonly machine: MachineSpec;
  /** File that `freeze` leaves complete and `fork` maps; null: a VM that is never frozen */
  readonly memoryPath: string | null;
  readonly rootDisk: Disk;
  readonly workspaceDisk: Disk;
  /**
   * More disks. A fork's frozen machine did not have them, and the guest finds them, in this order,
   * when it looks for new hardware. Power `addedDisks`.
   */
  readonly addedDisks?: readonly Disk[];
  /** The only folder from which the running VM can take layers for its workspace disk */
  readonly layersDir?: string;
}

/** How a VM's process ended. */
export interface VmExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** End of what the VMM and the guest's console said */
  readonly log: string;
}

export interface Vm extends AsyncDisposable {
  readonly pid: number;
  /** Byte stream to the guest agent */
  readonly agentStream: Duplex;
  /**
   * Puts an empty file of `layersDir` on top of the workspace disk while the guest runs. The layer
   * below it is then complete, up to the guest's last flush, and written no more. Power
   * `liveLayers`.
   */
  pushWorkspaceLayer(fileName: string): Promise<void>;
  /** Resolves, never rejects, once the VM's process is gone */
  readonly exited: Promise<VmExit>;
  /** Kills the VM and resolves when its process is gone; idempotent */
  stop(): Promise<void>;
}

export interface BootedVm extends Vm {
  /**
   * Pauses the VM for good and writes its device state. Its memory file is complete by then.
   * Power `snapshots`.
   */
  freeze(statePath: string, signal?: AbortSignal): Promise<void>;
}

/**
 * One virtual machine monitor. A method that needs a power which the driver lacks rejects with
 * `unsupported`; test/contract holds every driver to this interface.
 */
export interface Driver {
  readonly features: DriverFeatures;
  /** All that this driver makes of a machine, as one string: machines with the same are alike */
  describeMachine(machine: MachineSpec): string;
  /** Starts a machine from nothing */
  boot(spec: VmSpec, signal?: AbortSignal): Promise<BootedVm>;
  /**
   * Continues a frozen machine with private memory and its own disks. Rejects with a
   * `FrozenStateError` if the frozen state itself is the reason. Power `snapshots`.
   */
  fork(spec: VmSpec, statePath: string, signal?: AbortSignal): Promise<Vm>;
}

/** The frozen state itself cannot be continued, so a new one can help. */
export class FrozenStateError extends PyroError {
  constructor(
    reason: string,
    options: { readonly details: Readonly<Record<string, unknown>>; readonly cause: unknown },
  ) {
    super("failed_precondition", `cannot continue the frozen machine: ${reason}`, {
      hint: hint`${toRun("prepare", { force: true })}.`,
      details: options.details,
      cause: options.cause,
    });
  }
}
