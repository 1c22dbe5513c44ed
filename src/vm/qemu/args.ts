import type { MachineSpec } from "../driver.ts";

/** Numbers of the descriptors that QEMU inherits: no socket and no path of ours is ever named to it. */
export interface InheritedFds {
  readonly qmp: number;
  readonly agent: number;
  /** null: memory that no file stands for */
  readonly memory: number | null;
  readonly kernel: number;
  readonly initramfs: number;
  /** From the base to the top */
  readonly rootLayers: readonly DiskFd[];
  readonly workspaceLayers: readonly DiskFd[];
}

export interface DiskFd {
  readonly fd: number;
  readonly format: "raw" | "qcow2";
}

export interface QemuArgsInput {
  readonly name: string;
  readonly machine: MachineSpec;
  readonly fds: InheritedFds;
  /** `boot` writes the memory file; `fork` maps it privately and waits for the frozen device state */
  readonly start: "boot" | "fork";
  /** Whether guest flushes of each disk reach the host's disk */
  readonly durable: { readonly root: boolean; readonly workspace: boolean };
  /** QEMU can map a memory file that it may not write (`rom=off`, since 9.0) */
  readonly mapsReadOnlyMemory: boolean;
}

/** The virtio-serial port's name, by which the guest agent finds it */
const agentPortName = "pyro.agent";

/**
 * Size of TCG's translation buffer. It is touched all through while a guest runs, so it bounds an idle fork's memory; with 32 MiB a
 * boot translates no more than with QEMU's default (an eighth of the host's RAM, at most 1 GiB).
 */
const translationBufferMib = 32;

/** No boot ROM, and no announcement of itself after a fork, which would wake the guest's network stack for nothing. */
const quietNetworkCard = "romfile=,guest_announce=off";

/**
 * Everything that TCG can emulate, less what only costs: fifth-level page tables, and the kernel's protection from its own programs, which a
 * machine with one tenant has no use for. A warm command takes a tenth less.
 */
const emulatedProcessor = "max,-la57,-smap,-smep,-umip,-pku";

/** QEMU's command line; pure, so that a change to it shows in a snapshot test. */
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
    // A network card on a hub that nothing else is plugged into: templates need the device, policy decides what is behind it.
    ...["-netdev", "hubport,id=net0,hubid=0", "-device", `virtio-net-pci,netdev=net0,${quietNetworkCard}`],
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

/** A full disk of the host is an error in the guest; QEMU's default would pause the machine, which looks like a hang. */
const diskErrors = "werror=report,rerror=report";

function diskArgs(name: string, layers: readonly DiskFd[], durable: boolean): string[] {
  const args: string[] = [];
  for (const [index, { fd, format }] of layers.entries()) {
    const isTop = index === layers.length - 1;
    const node = isTop ? name : `${name}-${index}`;
    const access = isTop ? "discard=unmap" : "read-only=on,auto-read-only=off";
    // Read-only layers are shared between processes that never write them, so they need no locks.
    const file = `driver=file,node-name=${node}-file,filename=${inherited(fd)},locking=off,${access}`;
    const caching = durable ? "" : ",cache.no-flush=on";
    const backing = format === "qcow2" && index > 0 ? `,backing=${name}-${index - 1}` : "";
    args.push("-blockdev", `${file}${caching}`);
    args.push("-blockdev", `driver=${format},node-name=${node},file=${node}-file,${access}${caching}${backing}`);
  }
  return [...args, "-device", `virtio-blk-pci,drive=${name},${diskErrors}`];
}

/** How QEMU opens what it has inherited. */
export function inherited(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** QEMU splits option values at commas, and reads two of them as one. */
function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}
