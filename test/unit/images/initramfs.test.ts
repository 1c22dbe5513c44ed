import { expect, test } from "vitest";
import { agentArchive, modulesArchive } from "../../../src/images/initramfs.ts";
import { readCpio } from "./read-cpio.ts";

test("an initramfs holds the agent as /init, a console, and the modules with their load order", () => {
  const modules = modulesArchive([
    { fileName: "virtio.ko", content: Buffer.from("first") },
    { fileName: "failover.ko", content: Buffer.from("second") },
  ]);
  const read = readCpio(Buffer.concat([agentArchive(Buffer.from("binary")), modules]));
  expect(
    read.map(({ path, mode, content }) => `${path} ${mode.toString(8)} ${JSON.stringify(content)}`),
  ).toMatchInlineSnapshot(`
      [
        "dev 40755 """,
        "dev/console 20600 """,
        "init 100755 "binary"",
        "newroot 40755 """,
        "proc 40755 """,
        "sys 40755 """,
        "modules 40755 """,
        "modules/failover.ko 100644 "second"",
        "modules/order 100644 "virtio.ko\\nfailover.ko\\n"",
        "modules/virtio.ko 100644 "first"",
      ]
    `);
});
