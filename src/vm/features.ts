import { PyroError } from "../core/errors.ts";
import type { Accelerator } from "./driver.ts";

/** Powers that only some drivers have, with the words for an error without them. */
const powers = {
  /** Freezes a booted machine and forks it */
  snapshots: "cannot freeze and fork machines",
  /** Takes another layer for the workspace disk while the machine runs */
  liveLayers: "cannot add a layer to the disk of a running machine",
  /** Has disks that are stacks of layers; without it a disk is one raw file of its own */
  layeredDisks: "cannot run a machine on layers of a disk",
  /** Gives a machine more disks than two, and a fork more than its frozen machine had */
  addedDisks: "cannot add a disk to a machine",
} as const;
export type Power = keyof typeof powers;
export const powerNames = Object.keys(powers) as readonly Power[];

/** Features of a driver on this host, as data. */
export interface DriverFeatures extends Readonly<Record<Power, boolean>> {
  /** Name of the virtual machine monitor, such as `qemu` */
  readonly vmm: string;
  readonly version: string;
  /** Program that runs VMs */
  readonly path: string;
  /** Everything about the program that a frozen machine depends on, as one string */
  readonly fingerprint: string;
  /** Accelerators that its machines can use */
  readonly accelerators: readonly Accelerator[];
  /** Whether forks can map a memory file that they may not write */
  readonly mapsReadOnlyMemory: boolean;
}

/** Fails closed if the driver lacks a power; `failure` begins the message, as in `cannot reset`. */
export function requirePower(features: DriverFeatures, power: Power, failure: string): void {
  if (!features[power]) throw new PyroError("unsupported", `${failure}: ${features.vmm} ${powers[power]}`);
}
