import { chmod, constants, copyFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../core/errors.ts";
import { ensureDir } from "../host/files.ts";
import type { DiskLayer } from "../vm/driver.ts";
import type { Template, TemplateFile } from "./templates/store.ts";

/** Scratch files have a name for a few milliseconds, so a crash left one that is this old */
const abandonedAfterMs = 60_000;

/** Makes the folder ready for copies, and removes what crashes left in it. */
export async function openScratch(scratchDir: string): Promise<void> {
  await ensureDir(scratchDir);
  await sweep(scratchDir);
}

export interface ScratchLayersRequest {
  /** 12 hexadecimal digits, for the names of the files */
  readonly id: string;
  readonly template: Template;
  readonly scratchDir: string;
}

/**
 * Lends empty layers for disks whose changes must leave nothing: their files lose their names once
 * the machine runs.
 */
export async function withScratchLayers<const Files extends readonly TemplateFile[], T>(
  { id, template, scratchDir }: ScratchLayersRequest,
  files: Files,
  use: (layers: { readonly [K in keyof Files]: DiskLayer }) => Promise<T>,
): Promise<T> {
  await openScratch(scratchDir);
  const copies = files.map((file, index) => copyToScratch(template.pathOf(file), join(scratchDir, `${id}-${index}`)));
  const paths = await Promise.all(copies);
  try {
    const layers = paths.map((path): DiskLayer => ({ path, format: "qcow2" }));
    return await use(layers as { [K in keyof Files]: DiskLayer });
  } finally {
    // They have no names any more, unless the machine could not be started.
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }
}

/** Copies a file to a new name, for this process to open and unlink. */
async function copyToScratch(source: string, path: string): Promise<string> {
  await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await chmod(path, 0o600);
  return path;
}

async function sweep(scratchDir: string): Promise<void> {
  for (const name of await readdir(scratchDir)) {
    const path = join(scratchDir, name);
    try {
      const { ctimeMs } = await stat(path);
      if (Date.now() - ctimeMs > abandonedAfterMs) await rm(path, { force: true });
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
    }
  }
}

export async function removeScratch(path: string): Promise<void> {
  await rm(path, { force: true });
}
