import { workspacePath } from "../../src/core/workspace-path.ts";
import type { AgentClient } from "../../src/guest/agent.ts";
import { bootGuest } from "../../src/machines/boot.ts";
import { newIdentity } from "../../src/machines/identity.ts";
import type { BootedVm, Driver, VmSpec } from "../../src/vm/driver.ts";
import type { Power } from "../../src/vm/features.ts";

/** Files of the workspace that every spec's disk holds */
export const seedFiles = { kept: "kept\n", changed: "before\n", deleted: "deleted\n" };

/** One driver, and the machines to try it with. */
export interface DriverHarness extends AsyncDisposable {
  readonly driver: Driver;
  /** A spec with fresh disks, of which the second is a workspace of `seedFiles`. */
  makeSpec(): Promise<VmSpec>;
  /** The spec of a fork of such a machine, with fresh disks. Power `snapshots`. */
  makeForkSpec(frozen: VmSpec): Promise<VmSpec>;
  /** Makes an empty file in `layersDir`; its name. Power `liveLayers`. */
  makeLayer(spec: VmSpec): Promise<string>;
}

export interface DriverUnderTest {
  readonly name: string;
  /**
   * Powers that this driver lacks. The suite skips their cases, and checks that the features say
   * the same.
   */
  readonly lacks: readonly Power[];
  /** Why it cannot run here; null if it can */
  readonly obstacle: string | null;
  makeHarness(): Promise<DriverHarness>;
}

const bootTimeoutMs = 100_000;

export interface Guest extends AsyncDisposable {
  readonly vm: BootedVm;
  readonly agent: AgentClient;
}

/** A booted machine without an identity. */
export async function boot({ driver }: DriverHarness, spec: VmSpec): Promise<Guest> {
  return bootGuest(driver, spec, { timeoutMs: bootTimeoutMs });
}

/** A booted machine of its own, with its workspace. */
export async function bootWorkspace(harness: DriverHarness): Promise<Guest> {
  const guest = await boot(harness, await harness.makeSpec());
  await adopt(guest.agent, "contract");
  return guest;
}

/** Gives a machine its identity and its workspace. */
export async function adopt(agent: AgentClient, hostname: string): Promise<void> {
  await agent.fork({ ...newIdentity(hostname), workspace: { device: "/dev/vdb", mountPoint: workspacePath } });
}
