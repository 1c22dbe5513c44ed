import { readFile, stat } from "node:fs/promises";
import { PyroError } from "../core/errors.ts";

/** Changes with every boot of the host, so that facts about its hardware are proved again. */
export async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

/**
 * Changes if what was written to a path's file system, but not synced, is lost: with every boot of
 * the host and, if a disk of its own holds the file system, every time that disk is attached.
 */
export async function storageSession(path: string): Promise<string> {
  const [boot, attachment] = await Promise.all([bootId(), diskAttachment(path)]);
  return attachment === undefined ? boot : `${boot}:${attachment}`;
}

/**
 * The kernel's number for the attachment of a disk, which it gives only once (`diskseq`, since
 * Linux 5.15). Undefined for a file system that is not directly on one disk.
 */
async function diskAttachment(path: string): Promise<string | undefined> {
  const { dev } = await stat(path);
  const dir = `/sys/dev/block/${majorOf(dev)}:${minorOf(dev)}`;
  for (const place of [dir, `${dir}/..`]) {
    const text = await readFile(`${place}/diskseq`, "utf8").catch(() => undefined);
    if (text !== undefined) return text.trim();
  }
  return undefined;
}

/** The C library's `major`: device numbers have 32 bits here, of which the minor has 8 and 12. */
function majorOf(dev: number): number {
  return (dev >>> 8) & 0xfff;
}

function minorOf(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}

/** The only supported kind of host, in the kernel's own names. */
export const supportedPlatform = "linux-x86_64";

const machineNames: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

export function hostPlatform(): string {
  return `${process.platform}-${machineNames[process.arch] ?? process.arch}`;
}

export function requireSupportedPlatform(platform: string): void {
  if (platform === supportedPlatform) return;
  throw new PyroError(
    "unsupported",
    `cannot run virtual machines on ${platform}: only ${supportedPlatform} is supported`,
  );
}
