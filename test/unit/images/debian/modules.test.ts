import { expect, test } from "vitest";
import { loadOrder } from "../../../../src/images/debian/modules.ts";

const index = {
  dependencies: [
    "kernel/net/core/failover.ko:",
    "kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko",
    "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/virtio/virtio.ko:",
    "kernel/drivers/block/virtio-blk.ko: kernel/drivers/virtio/virtio.ko",
    "kernel/fs/xfs/xfs.ko.xz:",
    "kernel/a.ko: kernel/b.ko",
    "kernel/b.ko: kernel/a.ko",
    "",
  ].join("\n"),
  builtin: "kernel/fs/ext4/ext4.ko\n",
};

test("loadOrder() puts each module once, after what it depends on", () => {
  expect(loadOrder(["virtio_net", "virtio_blk"], index)).toEqual([
    "kernel/net/core/failover.ko",
    "kernel/drivers/net/net_failover.ko",
    "kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/net/virtio_net.ko",
    "kernel/drivers/block/virtio-blk.ko",
  ]);
});

test("loadOrder() needs no file for a built-in module", () => {
  expect(loadOrder(["ext4"], index)).toEqual([]);
});

test("loadOrder() ends when modules depend on each other", () => {
  expect(loadOrder(["a"], index)).toEqual(["kernel/b.ko", "kernel/a.ko"]);
});

test("loadOrder() refuses a module that the kernel does not have, and a compressed one", () => {
  expect(() => loadOrder(["zfs"], index)).toThrow("cannot use this kernel: it has no module 'zfs'");
  expect(() => loadOrder(["xfs"], index)).toThrow("its module 'kernel/fs/xfs/xfs.ko.xz' is compressed");
});
