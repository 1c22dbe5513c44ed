import { randomUUID } from "node:crypto";
import { readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { systemErrorCode } from "../../core/errors.ts";
import { checkWire } from "../../core/wire-case.ts";
import { type CacheItem, removeLeastRecentlyUsed } from "../../host/cache-budget.ts";
import { syncFile, syncFolder } from "../../host/durable.ts";
import { fileStampSchema, readRecord, sameStamp, stampFile, writeRecord } from "../../host/files.ts";
import { digestSparseFile } from "../../host/sparse-digest.ts";
import { bootId } from "../../host/system.ts";
import type { DiskTool } from "../../vm/disks.ts";

const recordName = "template.json";

/** Files of a template; all are read-only once it is published. */
export const templateFiles = {
  memory: "memory",
  state: "device-state",
  /** Layer with what the boot wrote over the environment's root image */
  rootLayer: "root.qcow2",
  /** Empty layers; each fork copies them, which is faster than making new ones */
  emptyRootLayer: "empty-root.qcow2",
  emptyWorkspaceLayer: "empty-workspace.qcow2",
  /** Starts of the files that a fork has booted from already, but QEMU wants to see */
  kernelHead: "kernel-head",
  initramfsHead: "initramfs-head",
} as const;
export type TemplateFile = keyof typeof templateFiles;
const fileNames = Object.keys(templateFiles) as TemplateFile[];

const checkedFileSchema = z.object({ stamp: fileStampSchema, digest: z.string() });

const templateRecordSchema = z.object({
  formatVersion: z.literal(1),
  key: z.string(),
  environment: z.string(),
  environmentDigest: z.string(),
  accelerator: z.enum(["kvm", "tcg"]),
  vcpuCount: z.number(),
  memMib: z.number(),
  vmm: z.string(),
  createdAt: z.string(),
  buildDurationMs: z.number(),
  /** Boot of the host in which the content was last checked */
  hostBootId: z.string(),
  files: z.record(z.enum(fileNames), checkedFileSchema),
});
checkWire(templateRecordSchema, "template record");
export type TemplateRecord = z.output<typeof templateRecordSchema>;

export interface Template {
  readonly record: TemplateRecord;
  pathOf(file: TemplateFile): string;
}

export interface TemplatePlace {
  readonly templatesDir: string;
  readonly key: string;
}

/** Knows where the data of a sparse file is */
type ExtentMapper = Pick<DiskTool, "dataExtents">;

export type TemplateLookup =
  | { readonly status: "ready"; readonly template: Template }
  | { readonly status: "absent" }
  | { readonly status: "damaged"; readonly reason: string };

/**
 * Finds a template and makes sure that it is as it was built. The stamps of its files show that, or
 * their digests if the stamps differ (the cache was moved) or the host has rebooted (content that
 * was not yet on disk is lost).
 */
export async function findTemplate(
  { templatesDir, key }: TemplatePlace,
  mapper: ExtentMapper,
  signal?: AbortSignal,
): Promise<TemplateLookup> {
  const dir = join(templatesDir, key);
  const read = await readRecord(join(dir, recordName), templateRecordSchema);
  if (read.status === "absent") return { status: "absent" };
  if (read.status === "unreadable")
    return { status: "damaged", reason: `${recordName} cannot be read: ${read.reason}` };
  try {
    const changed = await changedFiles(dir, read.record);
    const record = changed.length === 0 ? read.record : await recheck({ dir, mapper, signal }, read.record, changed);
    return { status: "ready", template: { record, pathOf: (file) => join(dir, templateFiles[file]) } };
  } catch (error) {
    if (error instanceof DamagedFile) return { status: "damaged", reason: error.message };
    if (systemErrorCode(error) === "ENOENT") return { status: "damaged", reason: "a file is missing" };
    throw error;
  }
}

/** The record of a template, whose files stay unchecked. */
export async function readTemplateRecord(templatesDir: string, key: string): Promise<TemplateRecord | undefined> {
  const read = await readRecord(join(templatesDir, key, recordName), templateRecordSchema);
  return read.status === "ok" ? read.record : undefined;
}

class DamagedFile extends Error {}

async function changedFiles(dir: string, record: TemplateRecord): Promise<readonly TemplateFile[]> {
  const [currentBoot, ...stamps] = await Promise.all([
    bootId(),
    ...fileNames.map((file) => stampFile(join(dir, templateFiles[file]))),
  ]);
  if (record.hostBootId !== currentBoot) return fileNames;
  return fileNames.filter((file, index) => {
    const stamp = stamps[index];
    return stamp === undefined || !sameStamp(record.files[file].stamp, stamp);
  });
}

interface Check {
  readonly dir: string;
  readonly mapper: ExtentMapper;
  readonly signal: AbortSignal | undefined;
}

async function recheck(
  check: Check,
  record: TemplateRecord,
  changed: readonly TemplateFile[],
): Promise<TemplateRecord> {
  const files = { ...record.files };
  for (const file of changed) {
    const checked = await checkFile(check, file);
    if (checked.digest !== record.files[file].digest) throw new DamagedFile(`${templateFiles[file]} was changed`);
    files[file] = checked;
  }
  const rechecked = { ...record, files, hostBootId: await bootId() };
  await writeRecord(join(check.dir, recordName), templateRecordSchema, rechecked).catch(() => {
    // In a read-only cache every check computes the digests.
  });
  return rechecked;
}

async function checkFile(
  { dir, mapper, signal }: Check,
  file: TemplateFile,
): Promise<z.output<typeof checkedFileSchema>> {
  const path = join(dir, templateFiles[file]);
  const stamp = await stampFile(path);
  const extents = file === "memory" ? await mapper.dataExtents(path, signal) : undefined;
  return { stamp, digest: await digestSparseFile(path, extents, signal) };
}

/** The folder in which a template is built. A rename publishes it, complete. */
export function stagingDirOf(templatesDir: string, key: string): string {
  return join(templatesDir, `${key}.building`);
}

export async function publishTemplate(
  templatesDir: string,
  facts: Omit<TemplateRecord, "formatVersion" | "files" | "hostBootId">,
  mapper: ExtentMapper,
  signal?: AbortSignal,
): Promise<Template> {
  const staging = stagingDirOf(templatesDir, facts.key);
  const dir = join(templatesDir, facts.key);
  const check = { dir: staging, mapper, signal };
  const checked = await Promise.all(fileNames.map(async (file) => [file, await checkFile(check, file)] as const));
  const files = Object.fromEntries(checked) as TemplateRecord["files"];
  const record: TemplateRecord = { ...facts, formatVersion: 1, files, hostBootId: await bootId() };
  // A template that a crash has torn would boot guests that fail at random.
  await Promise.all(fileNames.map((file) => syncFile(join(staging, templateFiles[file]))));
  await writeRecord(join(staging, recordName), templateRecordSchema, record);
  await removeTemplate(templatesDir, facts.key);
  await rename(staging, dir);
  await syncFolder(templatesDir);
  return { record, pathOf: (file) => join(dir, templateFiles[file]) };
}

/** Removes a template at once, even one in use: running forks keep their open files. */
export async function removeTemplate(templatesDir: string, key: string): Promise<void> {
  const doomed = join(templatesDir, `${key}.removed-${randomUUID()}`);
  try {
    await rename(join(templatesDir, key), doomed);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return;
    throw error;
  }
  await rm(doomed, { recursive: true, force: true });
}

/** Notes the use of a template, so that pruning knows the least recently used one. */
export async function touchTemplate(templatesDir: string, key: string): Promise<void> {
  const now = new Date();
  await utimes(join(templatesDir, key), now, now).catch(() => {
    // Another process removed it, or the cache is read-only and so is never pruned.
  });
}

/** The key in the name of what an unfinished build or removal left, if it is such a name. */
export function keyOfLeftover(name: string): string | undefined {
  return /^([0-9a-f]{32})\.(?:building|removed-.*)$/.exec(name)?.[1];
}

export interface StoredTemplate extends CacheItem {
  readonly key: string;
}

export async function listTemplates(templatesDir: string): Promise<readonly StoredTemplate[]> {
  const stored: StoredTemplate[] = [];
  for (const name of await readdir(templatesDir).catch(() => [])) {
    if (!/^[0-9a-f]{32}$/.test(name)) continue;
    const dir = join(templatesDir, name);
    const lastUsedMs = await stat(dir).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
    // Another process may have removed it since it was listed.
    if (lastUsedMs !== undefined) stored.push({ key: name, allocatedBytes: await allocatedBytes(dir), lastUsedMs });
  }
  return stored;
}

/** Removes the least recently used templates until the rest fits; `keep` always stays. */
export async function pruneTemplates(
  templatesDir: string,
  budgetBytes: number,
  keep?: string,
): Promise<readonly StoredTemplate[]> {
  return removeLeastRecentlyUsed(await listTemplates(templatesDir), {
    budgetBytes,
    isKept: ({ key }) => key === keep,
    remove: ({ key }) => removeTemplate(templatesDir, key),
  });
}

async function allocatedBytes(dir: string): Promise<number> {
  let total = 0;
  for (const name of await readdir(dir).catch(() => [])) {
    const entry = await stat(join(dir, name)).catch(() => undefined);
    total += (entry?.blocks ?? 0) * 512;
  }
  return total;
}
