import { expect, test } from "vitest";
import { type QemuArgsInput, qemuArgs } from "../../../../src/vm/qemu/args.ts";

const fork: QemuArgsInput = {
  name: "debian:12 0a1b2c",
  machine: {
    accelerator: "tcg",
    vcpuCount: 2,
    memoryMib: 1024,
    kernelPath: "/k",
    initramfsPath: "/i",
    kernelCommandLine: "console=ttyS0 quiet",
  },
  fds: {
    qmp: 3,
    agent: 4,
    memory: 6,
    kernel: 7,
    initramfs: 8,
    rootLayers: [
      { fd: 9, format: "raw" },
      { fd: 10, format: "qcow2" },
      { fd: 11, format: "qcow2" },
    ],
    workspaceLayers: [{ fd: 12, format: "qcow2" }],
    addedDisks: [],
  },
  start: "fork",
  durable: { root: false, workspace: true },
  mapsReadOnlyMemory: false,
};

test("the command line of a fork", () => {
  expect(qemuArgs(fork).join("\n")).toMatchInlineSnapshot(`
    "-name
    debian:12 0a1b2c
    -nodefaults
    -no-user-config
    -no-reboot
    -display
    none
    -sandbox
    on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
    -machine
    q35,memory-backend=ram,vmport=off,smbus=off,sata=off,i8042=off,usb=off,graphics=off
    -accel
    tcg,thread=multi,tb-size=32
    -cpu
    max,-la57,-smap,-smep,-umip,-pku,-erms
    -smp
    2
    -m
    1024M
    -object
    memory-backend-file,id=ram,size=1024M,mem-path=/proc/self/fd/6,share=off
    -kernel
    /proc/self/fd/7
    -initrd
    /proc/self/fd/8
    -append
    console=ttyS0 quiet
    -chardev
    socket,id=qmp,fd=3
    -mon
    chardev=qmp,mode=control
    -chardev
    stdio,id=console,signal=off
    -serial
    chardev:console
    -chardev
    socket,id=agent,fd=4
    -device
    virtio-serial-pci,id=serial
    -device
    virtserialport,bus=serial.0,chardev=agent,name=pyro.agent
    -blockdev
    driver=file,node-name=root-0-file,filename=/proc/self/fd/9,locking=off,read-only=on,auto-read-only=off,cache.no-flush=on
    -blockdev
    driver=raw,node-name=root-0,file=root-0-file,read-only=on,auto-read-only=off,cache.no-flush=on
    -blockdev
    driver=file,node-name=root-1-file,filename=/proc/self/fd/10,locking=off,read-only=on,auto-read-only=off,cache.no-flush=on
    -blockdev
    driver=qcow2,node-name=root-1,file=root-1-file,read-only=on,auto-read-only=off,cache.no-flush=on,backing=root-0,l2-cache-entry-size=4096
    -blockdev
    driver=file,node-name=root-file,filename=/proc/self/fd/11,locking=off,discard=unmap,cache.no-flush=on
    -blockdev
    driver=qcow2,node-name=root,file=root-file,discard=unmap,cache.no-flush=on,backing=root-1,l2-cache-entry-size=4096,lazy-refcounts=on
    -device
    virtio-blk-pci,drive=root,werror=report,rerror=report
    -blockdev
    driver=file,node-name=workspace-file,filename=/proc/self/fd/12,locking=off,discard=unmap
    -blockdev
    driver=qcow2,node-name=workspace,file=workspace-file,discard=unmap,l2-cache-entry-size=4096,lazy-refcounts=on
    -device
    virtio-blk-pci,drive=workspace,werror=report,rerror=report
    -nic
    none
    -incoming
    defer"
  `);
});

test("a boot shares its memory file and waits for nothing", () => {
  const args = qemuArgs({ ...fork, start: "boot" });
  expect(args).not.toContain("-incoming");
  expect(args.join(" ")).toContain("mem-path=/proc/self/fd/6,share=on");
});

test("a QEMU that can is not given a way to write the shared memory file", () => {
  expect(qemuArgs({ ...fork, mapsReadOnlyMemory: true }).join(" ")).toContain("share=off,readonly=on,rom=off");
});

test("only the top layer of a disk can be written", () => {
  const blockdevs = qemuArgs(fork).filter((arg) => arg.startsWith("driver="));
  expect(
    blockdevs.filter((arg) => !arg.includes("read-only=on")).map((arg) => /node-name=([\w-]+)/.exec(arg)?.[1]),
  ).toEqual(["root-file", "root", "workspace-file", "workspace"]);
});

test("disks that a frozen machine did not have come after those that it had", () => {
  const args = (addedDisks: QemuArgsInput["fds"]["addedDisks"]) =>
    qemuArgs({ ...fork, fds: { ...fork.fds, addedDisks } });
  const devices = (list: readonly string[]) => list.filter((arg) => arg.startsWith("virtio-blk-pci"));
  const without = devices(args([]));
  const raw = { layers: [{ fd: 13, format: "raw" }], durable: true } as const;
  const twice = args([
    {
      layers: [
        { fd: 14, format: "raw" },
        { fd: 15, format: "qcow2" },
      ],
      durable: false,
    },
    raw,
  ]);
  expect(devices(twice)).toEqual([
    ...without,
    "virtio-blk-pci,drive=added-0,werror=report,rerror=report",
    "virtio-blk-pci,drive=added-1,werror=report,rerror=report",
  ]);
  expect(twice).toContain("driver=file,node-name=added-1-file,filename=/proc/self/fd/13,locking=off,discard=unmap");
});

test("a comma in a name cannot become an option", () => {
  expect(qemuArgs({ ...fork, name: "a,debug-threads=on" })).toContain("a,,debug-threads=on");
});

test("KVM runs the host's processor", () => {
  const args = qemuArgs({ ...fork, machine: { ...fork.machine, accelerator: "kvm" } }).join(" ");
  expect(args).toContain("-accel kvm -cpu host");
});
