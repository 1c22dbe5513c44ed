import { readFile } from "node:fs/promises";
import { PyroError } from "../core/errors.ts";

/** Changes with every boot of the host, so that facts about its hardware are proved again. */
export async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
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
