import { open } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../core/errors.ts";
import { saysDiskFull } from "../host/disk-space.ts";
import { ext4Options } from "../host/ext4-options.ts";
import { type BuildRoot, diskFull, runAsRoot } from "./build-root.ts";

/** Raised if images are made in another way, so that old ones are no longer used */
export const imageFormatVersion = 1;

const imageTimeoutMs = 30 * 60_000;
/** Fixed, so that the same tree gives nearly the same image. The guest finds its disk by device */
const fileSystemId = "8a1c3d52-6f0e-4b7d-9c25-7079726f7773";

const mke2fsOptions = ext4Options({ id: fileSystemId, bytesPerInode: 16_384 });

/** Names in the folder that a seed is built in */
export const stagedFiles = { fileSystem: "fs", image: "image.ext4" } as const;

/** Folders in the root of the file system: the tree, and what the overlay over it needs */
export const seedFolders = { base: "base", upper: "upper", work: "work" } as const;

export interface ImageRequest {
  readonly root: BuildRoot;
  readonly stagingDir: string;
  readonly imageBytes: number;
  /** Beginning of messages: `cannot prepare '/home/me/project'` */
  readonly failure: string;
  readonly signal: AbortSignal | undefined;
}

/** Completes the file system's folders and makes a durable image of them. */
export async function makeImage(request: ImageRequest): Promise<void> {
  const { root, stagingDir, imageBytes, failure, signal } = request;
  const { base, upper, work } = seedFolders;
  // Mode and time of the merged folder are those of the upper one. What is removed before the image
  // is synced never gets written to the disk
  const script = `set -eu
cd ${stagedFiles.fileSystem}
mkdir -p ${upper} ${work}
chmod 0755 .
chmod --reference=${base} ${upper}
chmod 0700 ${work}
touch --reference=${base} ${upper} ${work} .
cd ..
mke2fs -q -F -t ext4 -d ${stagedFiles.fileSystem} "$@"
rm -rf ${stagedFiles.fileSystem}`;
  const mke2fsArguments = [...mke2fsOptions, stagedFiles.image, `${Math.floor(imageBytes / 1024)}k`];
  const { exitCode, stderr } = await runAsRoot(root, ["sh", "-c", script, "sh", ...mke2fsArguments], {
    timeoutMs: imageTimeoutMs,
    cwd: stagingDir,
    signal,
  });
  if (exitCode !== 0) throw imageError(failure, stderr);
  await using image = await open(join(stagingDir, stagedFiles.image), "r+");
  await image.chmod(0o444);
  await image.sync();
}

function imageError(failure: string, stderr: string): PyroError {
  if (saysDiskFull(stderr)) return diskFull(failure);
  if (/could not allocate (?:block|inode)/i.test(stderr)) {
    return new PyroError("resource_exhausted", `${failure}: it does not fit into the workspace's disk`, {
      hint: "Choose a smaller directory or archive.",
      details: { stderr: stderr.slice(-4096) },
    });
  }
  const reason = stderr.trim().split("\n").at(-1) ?? "";
  return new PyroError("internal", `${failure}: its disk image was not made: ${reason}`, {
    details: { stderr: stderr.slice(-4096) },
  });
}
