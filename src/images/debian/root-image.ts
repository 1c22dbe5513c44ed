import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { PyroError } from "../../core/errors.ts";
import { saysDiskFull } from "../../host/disk-space.ts";
import { ext4Options } from "../../host/ext4-options.ts";
import { freeSomeSpace } from "../../host/files.ts";
import { capture, killedAsGroup } from "../../host/process.ts";
import type { EnvironmentRecord } from "../record.ts";
import { type BuildHost, hostCommand, isSuperuser } from "./host-tools.ts";
import { imageScript } from "./scripts.ts";

const imageTimeoutMs = 10 * 60_000;
/** Limit to which the guest can grow the mounted file system */
const growableToBytes = 256 * 1024 ** 3;
/**
 * Fixed, so that the same packages give nearly the same image. The guest finds its root by device
 */
const fileSystemId = "5f6d9c1e-2f0b-4c57-9a3e-7079726f3031";

// Dependency trees are many small files, so there is an inode for each 8 KiB, also after growth.
const mke2fsOptions = ext4Options({ id: fileSystemId, bytesPerInode: 8_192, growableToBytes });

export interface RootImageRequest {
  readonly host: BuildHost;
  readonly environment: string;
  readonly rootDir: string;
  readonly imagePath: string;
  readonly signal: AbortSignal | undefined;
}

/** Makes an ext4 image of an unpacked root and returns its packages. */
export async function makeRootImage(request: RootImageRequest): Promise<EnvironmentRecord["packages"]> {
  const { host, environment, rootDir, imagePath, signal } = request;
  await using image = await open(imagePath, "wx");
  // mke2fs opens it anew through /proc as a subordinate user. The folder around it is private.
  await image.chmod(0o666);
  const asOwner = isSuperuser(host) ? [] : ["mmdebstrap", "--unshare-helper"];
  const script = ["/bin/sh", "-c", imageScript, "sh", rootDir, ...mke2fsOptions] as const;
  const { exitCode, stdout, stderr } = await capture(killedAsGroup(hostCommand(host, [...asOwner, ...script])), {
    timeoutMs: imageTimeoutMs,
    signal,
    cwd: dirname(rootDir),
    extraFds: [image.fd],
  });
  if (exitCode !== 0) throw imageError(environment, stderr);
  return stdout.trim().split("\n").map(parsePackage);
}

function parsePackage(line: string): { name: string; version: string } {
  const [name = "", version = ""] = line.split(" ");
  return { name, version };
}

function imageError(environment: string, stderr: string): PyroError {
  const reason = stderr.trim().split("\n").at(-1) ?? "";
  if (saysDiskFull(stderr)) {
    return new PyroError(
      "resource_exhausted",
      `cannot pull '${environment}': the disk became full while its image was made`,
      {
        hint: freeSomeSpace,
      },
    );
  }
  return new PyroError("internal", `cannot pull '${environment}': its root image was not made: ${reason}`, {
    details: { stderr: stderr.slice(-4096) },
  });
}
