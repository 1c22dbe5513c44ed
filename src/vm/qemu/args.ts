import type { MachineSpec } from "../driver.ts";
import { type DiskFd, inherited } from "../inherited-files.ts";

/** Numbers of the descriptors that QEMU inherits, as its arguments name no path of ours. */
export interface InheritedFds {
  readonly qmp: number;
  readonly agent: number;
  /** null: memory without a file */
  readonly memory: number | null;
  readonly kernel: number;
  readonly initramfs: number;
  /** Layers from the base to the top */
  readonly rootLayers: readonly DiskFd[];
  readonly workspaceLayers: readonly DiskFd[];
  readonly addedDisks: readonly { readonly layers: readonly DiskFd[]; readonly durable: boolean }[];
}

export interface QemuArgsInput {
  readonly name: string;
  readonly machine: MachineSpec;
  readonly fds: InheritedFds;
  /**
   * `boot` writes the memory file; `fork` maps it privately and waits for the frozen device state
   */
  readonly start: "boot" | "fork";
  /** Whether guest flushes of each disk reach the host's disk */
  readonly durable: { readonly root: boolean; readonly workspace: boolean };
  /** QEMU can map a memory file that it may not write (`rom=off`, since 9.0) */
  readonly mapsReadOnlyMemory: boolean;
}

/** The virtio-serial port's name, by which the guest agent finds it */
const agentPortName = "pyro.agent";

/**
 * Size of TCG's translation buffer. A running guest touches all of it, so it bounds the memory of
 * an idle fork. With 32 MiB a boot translates no more than with QEMU's default, which is an eighth
 * of the host's RAM, at most 1 GiB.
 */
const translationBufferMib = 32;

/**
 * Everything that TCG can emulate, less what only costs. Fifth-level page tables are off, and so is
 * the kernel's protection from its own programs, useless in a machine with one tenant. A warm
 * command takes a tenth less. Fast string operations (erms) are off too: TCG copies and clears one
 * byte per step with them. Without them the guest moves words, and its copies take a third.
 */
const emulatedProcessor = "max,-la57,-smap,-smep,-umip,-pku,-erms";

/** QEMU's command line. The function is pure, so that a snapshot test shows every change to it. */
export function qemuArgs(input: QemuArgsInput): string[] {
  const { machine, fds, start } = input;
  return [
    ...["-name", escapeValue(input.name)],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...machineArgs(machine),
    ...memoryArgs(input),
    ...["-kernel", inherited(fds.kernel), "-initrd", inherited(fds.initramfs), "-append", machine.kernelCommandLine],
    ...["-chardev", `socket,id=qmp,fd=${fds.qmp}`, "-mon", "chardev=qmp,mode=control"],
    // The guest's console is QEMU's standard output, which goes to the VM's log.
    ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
    ...["-chardev", `socket,id=agent,fd=${fds.agent}`, "-device", "virtio-serial-pci,id=serial"],
    ...["-device", `virtserialport,bus=serial.0,chardev=agent,name=${agentPortName}`],
    ...diskArgs("root", fds.rootLayers, input.durable.root),
    ...diskArgs("workspace", fds.workspaceLayers, input.durable.workspace),
    // They come last, so that the devices which the frozen machine had keep their places.
    ...fds.addedDisks.flatMap(({ layers, durable }, index) => diskArgs(`added-${index}`, layers, durable)),
    // Without it QEMU would add a network card of its own.
    ...["-nic", "none"],
    ...(start === "fork" ? ["-incoming", "defer"] : []),
  ];
}

function machineArgs(machine: MachineSpec): string[] {
  const accelerator = machine.accelerator === "kvm" ? "kvm" : `tcg,thread=multi,tb-size=${translationBufferMib}`;
  return [
    ...["-machine", "q35,memory-backend=ram,vmport=off,smbus=off,sata=off,i8042=off,usb=off,graphics=off"],
    ...["-accel", accelerator, "-cpu", machine.accelerator === "kvm" ? "host" : emulatedProcessor],
    ...["-smp", String(machine.vcpuCount), "-m", `${machine.memoryMib}M`],
  ];
}

function memoryArgs({ machine, fds, start, mapsReadOnlyMemory }: QemuArgsInput): string[] {
  if (fds.memory === null) return ["-object", `memory-backend-ram,id=ram,size=${machine.memoryMib}M`];
  const readOnly = start === "fork" && mapsReadOnlyMemory ? ",readonly=on,rom=off" : "";
  const share = start === "boot" ? "on" : "off";
  const backend = `memory-backend-file,id=ram,size=${machine.memoryMib}M,mem-path=${inherited(fds.memory)},share=${share}`;
  return ["-object", `${backend}${readOnly}`];
}

/** A full disk of the host is an error in the guest; by default QEMU pauses it, like a hang. */
const diskErrors = "werror=report,rerror=report";

/** Bytes of a layer's address table that a change in it writes; by default all 128 KiB */
export const tableSliceBytes = 4096;

/**
 * A flush then needs no second one for reference counts. QEMU makes them anew when it opens the
 * layer of a machine that was killed.
 */
const lateRefcounts = "lazy-refcounts=on";

function diskArgs(name: string, layers: readonly DiskFd[], durable: boolean): string[] {
  const args: string[] = [];
  for (const [index, { fd, format }] of layers.entries()) {
    const isTop = index === layers.length - 1;
    const node = isTop ? name : `${name}-${index}`;
    const access = isTop ? "discard=unmap" : "read-only=on,auto-read-only=off";
    // No process writes the read-only layers, so those that share them need no locks.
    const file = `driver=file,node-name=${node}-file,filename=${inherited(fd)},locking=off,${access}`;
    const caching = durable ? "" : ",cache.no-flush=on";
    const backing = format === "qcow2" && index > 0 ? `,backing=${name}-${index - 1}` : "";
    const tables =
      format === "qcow2" ? `,l2-cache-entry-size=${tableSliceBytes}${isTop ? `,${lateRefcounts}` : ""}` : "";
    args.push("-blockdev", `${file}${caching}`);
    args.push(
      "-blockdev",
      `driver=${format},node-name=${node},file=${node}-file,${access}${caching}${backing}${tables}`,
    );
  }
  return [...args, "-device", `virtio-blk-pci,drive=${name},${diskErrors}`];
}

/** Doubles commas: QEMU splits option values at them, and reads two as one. */
function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}
