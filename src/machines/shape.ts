import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { Accelerator, Driver, MachineSpec } from "../vm/driver.ts";

const gib = 1024 ** 3;

/** Sizes of the disks in the guest; on the host they take as much as is written to them */
export const rootDiskBytes = 16 * gib;
export const workspaceDiskBytes = 32 * gib;

export const machineShapeSchema = z.object({
  vcpuCount: z.number().int().min(1).max(32),
  memMib: z.number().int().min(256).max(131_072),
});
/** Size of a machine, as users choose it. */
export type MachineShape = z.output<typeof machineShapeSchema>;

export const defaultShape: MachineShape = { vcpuCount: 1, memMib: 1024 };

/**
 * In emulation every instruction that a fork runs for the first time must be translated, so all
 * that a disposable machine with one tenant does not need is off. That is the protection of tenants
 * from each other (`mitigations`, `lsm`; the boundary is the VM), accounting (`psi`, kernel memory,
 * `audit`) and the clock's watchdog. `rcu_expedited` is on because mounts and control groups wait
 * for RCU, which idles in emulation. The console is the serial port, which ends in the VM's log.
 */
const kernelCommandLine = [
  ...["console=ttyS0", "quiet", "loglevel=4", "panic=-1", "8250.nr_uarts=1", "cryptomgr.notests"],
  ...["mitigations=off", "lsm=landlock,yama", "audit=0", "psi=0", "cgroup.memory=nokmem,nosocket", "tsc=nowatchdog"],
  ...["random.trust_cpu=on", "rcupdate.rcu_expedited=1"],
  ...["pyro.root=/dev/vda", "pyro.grow=1"],
].join(" ");

export interface MachineParts {
  readonly shape: MachineShape;
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  readonly initramfsPath: string;
}

export function machineSpec({ shape, accelerator, kernelPath, initramfsPath }: MachineParts): MachineSpec {
  const { vcpuCount, memMib: memoryMib } = shape;
  return { accelerator, vcpuCount, memoryMib, kernelPath, initramfsPath, kernelCommandLine };
}

export interface TemplateKeyParts {
  readonly driver: Driver;
  readonly shape: MachineShape;
  readonly accelerator: Accelerator;
  readonly environmentDigest: string;
  readonly agentDigest: string;
}

/** A template's name, of all that shapes its machine: any change makes another template. */
export async function templateKey(parts: TemplateKeyParts): Promise<string> {
  const { driver, shape, accelerator, environmentDigest, agentDigest } = parts;
  const machine = machineSpec({ shape, accelerator, kernelPath: environmentDigest, initramfsPath: agentDigest });
  const shaping = [
    driver.features.fingerprint,
    driver.describeMachine(machine),
    ...[environmentDigest, agentDigest, String(rootDiskBytes), String(workspaceDiskBytes)],
    // Under KVM the guest sees the host's processor and may not wake up on another one. TCG's is
    // the same everywhere.
    accelerator === "kvm" ? await hostProcessor() : "",
  ];
  return createHash("sha256").update(shaping.join("\n")).digest("hex").slice(0, 32);
}

async function hostProcessor(): Promise<string> {
  const lines = (await readFile("/proc/cpuinfo", "utf8")).split("\n");
  return lines
    .filter((line) => /^(model name|flags|microcode)\s/.test(line))
    .slice(0, 3)
    .join("\n");
}
