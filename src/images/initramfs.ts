import { readFile, writeFile } from "node:fs/promises";
import { fileError } from "../host/files.ts";
import { requireAgentFile } from "../host/named/agent-file.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

export interface InitramfsPaths {
  /** File to write */
  readonly path: string;
  readonly agentPath: string;
  readonly modulesPath: string;
}

export interface KernelModule {
  /** File name in the archive: `virtio_blk.ko` */
  readonly fileName: string;
  readonly content: Uint8Array;
}

/** The kernel modules of an environment in the order to load them, made once per environment. */
export function modulesArchive(modulesInLoadOrder: readonly KernelModule[]): Buffer {
  const order = modulesInLoadOrder.map(({ fileName }) => `${fileName}\n`).join("");
  return cpioArchive([
    { type: "directory", path: "modules", mode: 0o755 },
    { type: "file", path: "modules/order", mode: 0o644, content: Buffer.from(order) },
    ...modulesInLoadOrder.map(
      ({ fileName, content }): CpioEntry => ({ type: "file", path: `modules/${fileName}`, mode: 0o644, content }),
    ),
  ]);
}

/** The guest agent as the first process of the machine, with its mount points. */
export function agentArchive(agent: Uint8Array): Buffer {
  const directories = ["dev", "newroot", "proc", "sys"];
  return cpioArchive([
    ...directories.map((path): CpioEntry => ({ type: "directory", path, mode: 0o755 })),
    // Linux opens it for the first process before devtmpfs is mounted.
    { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "file", path: "init", mode: 0o755, content: agent },
  ]);
}

/**
 * Writes an initramfs from the agent's binary and an environment's modules, so a new agent needs no
 * new pull.
 */
export async function writeInitramfs({ path, agentPath, modulesPath }: InitramfsPaths): Promise<void> {
  await requireAgentFile(agentPath);
  const [agent, modules] = await Promise.all([readFile(agentPath), readFile(modulesPath)]);
  try {
    await writeFile(path, Buffer.concat([agentArchive(agent), modules]));
  } catch (error) {
    throw fileError(`cannot write initramfs '${path}'`, error);
  }
}
