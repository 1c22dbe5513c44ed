import type { Driver } from "../vm/driver.ts";
import { QemuDriver } from "../vm/qemu/driver.ts";
import { findQemu } from "../vm/qemu/installation.ts";
import type { EngineContext } from "./context.ts";

/** The driver for this host; fails with `unavailable` and what to install. */
export async function findDriver({ layout, searchPath, uid }: EngineContext): Promise<Driver> {
  return new QemuDriver(await findQemu({ searchPath, factsDir: layout.factsDir }), uid);
}
