import type { Driver } from "../vmm/driver.ts";
import { QemuDriver } from "../vmm/qemu/driver.ts";
import { findQemu } from "../vmm/qemu/installation.ts";
import type { SandboxContext } from "./context.ts";

/** The driver for this host; fails with `unavailable` and what to install. */
export async function findDriver({ layout, searchPath, uid }: SandboxContext): Promise<Driver> {
  return new QemuDriver(await findQemu({ searchPath, factsDir: layout.factsDir }), uid);
}
