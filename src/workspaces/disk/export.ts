import { randomUUID } from "node:crypto";
import { chown, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import type { CopyProgress } from "../../guest/inspection.ts";
import { freeBytes } from "../../host/disk-space.ts";
import { ext4Options } from "../../host/ext4-options.ts";
import type { EngineContext } from "../../machines/context.ts";
import { rootDiskBytes, workspaceDiskBytes } from "../../machines/shape.ts";
import { runAsRoot } from "../../seeds/build-root.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { writeFileOnHost } from "../file/write-on-host.ts";
import { outputDevice, withInspection } from "./inspection.ts";
import { refuseSecrets } from "./known-secrets.ts";
import { mountRoot } from "./stopped-tree.ts";

/** Room for all that the two disks can hold */
const imageBytes = rootDiskBytes + workspaceDiskBytes;
const formatTimeoutMs = 60_000;
/** A host with less than this is taken for full */
const leastFreeBytes = 16 * 1024 ** 2;
/** The first descriptor of a program after the standard ones */
const imageFd = "/proc/self/fd/3";

export const exportedDisk = z.object({
  outputPath: z.string(),
  diskFormat: z.literal("ext4"),
  virtualSizeBytes: z.number().describe("Size of the file system"),
  bytesWritten: z.number().describe("What the image takes of this host's disk; the rest of it are holes"),
  entryCount: z.number(),
  skippedCount: z.number().describe("Entries that could not be read, and are not in the image"),
});
export type ExportedDisk = z.output<typeof exportedDisk>;

/**
 * Writes the tree that the machine of a stopped workspace had, as an ext4 image, complete or not at
 * all, to a path where nothing is.
 */
export async function exportDisk(
  call: WorkspaceCall,
  output: string,
  { allowSecrets }: { readonly allowSecrets: boolean },
): Promise<ExportedDisk> {
  const outputPath = resolve(output);
  return writeFileOnHost(call, outputPath, async (path) => {
    if (!allowSecrets) await refuseSecrets(call, { verb: "export", operation: "workspace.disk.export" });
    const owner = await makeEmptyImage(call.context, path, call.signal);
    const { entryCount, skippedCount } = await fillImage(call, path).catch(async (error: unknown) => {
      throw (await isFull(outputPath)) ? diskFull(outputPath, error) : error;
    });
    // The machine has ended. It may have run as another user, who had to own what it wrote.
    await chown(path, owner.uid, owner.gid);
    const { size, blocks } = await stat(path);
    return {
      outputPath,
      diskFormat: "ext4",
      virtualSizeBytes: size,
      bytesWritten: blocks * 512,
      entryCount,
      skippedCount,
    };
  });
}

function fillImage(call: WorkspaceCall, path: string): Promise<CopyProgress> {
  const { signal, onProgress } = call;
  return withInspection(call, { verb: "export", outputPath: path }, async ({ agent }) => {
    await mountRoot({ ...call, agent });
    const tell = ({ entryCount }: CopyProgress) =>
      onProgress?.({ phase: "export", detail: `${entryCount.toLocaleString("en")} entries so far` });
    return agent.exportInspected(outputDevice, tell, signal);
  });
}

/**
 * Makes an empty file system, and returns whose the file is. The host parses none that a guest has
 * made.
 */
async function makeEmptyImage(
  { searchPath, uid }: EngineContext,
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly uid: number; readonly gid: number }> {
  await using file = await open(path, "wx", 0o600);
  await file.truncate(imageBytes);
  // A file system that is complete before its first use needs no journal.
  const options = ext4Options({ id: randomUUID(), bytesPerInode: 8192, hasJournal: false });
  const command = ["mke2fs", "-q", "-F", "-t", "ext4", ...options, imageFd];
  const { exitCode, stderr } = await runAsRoot({ searchPath, uid }, command, {
    timeoutMs: formatTimeoutMs,
    extraFds: [file.fd],
    signal,
  });
  if (exitCode === 0) return file.stat();
  const reason = stderr.trim().split("\n").at(-1) ?? "";
  throw new PyroError("internal", `cannot make an empty disk image: ${reason}`, { details: { stderr } });
}

async function isFull(outputPath: string): Promise<boolean> {
  return (await freeBytes(dirname(outputPath)).catch(() => leastFreeBytes)) < leastFreeBytes;
}

function diskFull(outputPath: string, cause: unknown): PyroError {
  return new PyroError("resource_exhausted", `cannot write '${outputPath}': the disk is full`, {
    hint: "Free some space, or choose another path.",
    cause,
  });
}
