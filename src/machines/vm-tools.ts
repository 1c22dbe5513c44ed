import { type DiskTool, findDiskTool } from "../vm/disks.ts";
import type { Driver } from "../vm/driver.ts";
import { qemuDriver } from "../vm/qemu/driver.ts";
import { findQemu } from "../vm/qemu/installation.ts";
import type { EngineContext } from "./context.ts";

/** Programs that make machines and their disks on this host. */
export interface VmTools {
  readonly driver: Driver;
  readonly disks: DiskTool;
}

/** The driver and the disk tool of this host; fails with `unavailable` and what to install. */
export async function findVmTools({ layout, searchPath, uid }: EngineContext): Promise<VmTools> {
  const driver = qemuDriver(await findQemu({ searchPath, factsDir: layout.factsDir }), uid);
  return { driver, disks: await findDiskTool(searchPath, uid) };
}
