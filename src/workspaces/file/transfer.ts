import { resolve } from "node:path";
import { PyroError } from "../../core/errors.ts";
import type { GuestEntry, GuestItem } from "../../guest/tree/messages.ts";
import { type PathSource, seedSourceOf } from "../../seeds/seed.ts";
import { readArchive } from "../../tree/archive/read.ts";
import type { SkippedEntry, TreeItem, TreeLimits } from "../../tree/entry.ts";
import { directorySource } from "../../tree/scan/directory-source.ts";
import { scanDirectory } from "../../tree/scan/scan.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { withProgress } from "../control/progress.ts";
import { exportTree, writeTree } from "./caller.ts";
import { displayed } from "./entry.ts";
import { noSuchFile } from "./files.ts";
import { pathInWorkspace } from "./guest-path.ts";
import type { ExportedTree, PushedTree } from "./results.ts";
import { writeOnHost } from "./write-on-host.ts";

/** More than a workspace's disk can hold, holes included; a guest that sends more lies */
const exportLimits: TreeLimits = { maxEntries: 1_000_000, maxBytes: 1024 ** 4 };
/** Limit for all names of an export together, which are held in memory */
const maxNameBytes = 256 * 1024 * 1024;
const maxSkippedShown = 1_000;

/**
 * Copies a directory's or an archive's content into a directory of the workspace, all of it or
 * nothing. With `baseline` it becomes part of what the workspace began with.
 */
export async function pushIntoWorkspace(
  wanted: WorkspaceCall,
  source: string,
  { dest, baseline }: { readonly dest: string; readonly baseline: boolean },
): Promise<PushedTree> {
  const destination = pathInWorkspace(dest);
  const origin = await seedSourceOf(resolve(source), wanted.signal);
  const header = {
    ...(destination.length === 0 ? {} : { dest: destination.toString("utf8") }),
    makeParents: true,
    removeEmptyParents: false,
  };
  const edit = { kind: "sync_push", path: displayed(destination) } as const;
  let skipped: readonly SkippedEntry[] = [];
  // The source is read only when the supervisor is ready, because scanning a large archive takes
  // long.
  const items = (async function* () {
    const source = await openSource(origin, wanted.signal);
    skipped = source.skipped;
    yield* withProgress(guestItems(source.items), "push", wanted.onProgress);
  })();
  const written = await writeTree(wanted, edit, header, items, baseline ? "writeBaseline" : "writeTree");
  return {
    mode: origin.kind === "directory" ? "directory" : "tar_archive",
    source: origin.path,
    destination: displayed(destination),
    baseline,
    ...written,
    skippedFiles: [...skipped],
  };
}

async function openSource(
  { kind, path }: PathSource,
  signal: AbortSignal | undefined,
): Promise<{ items: AsyncIterable<TreeItem>; skipped: readonly SkippedEntry[] }> {
  if (kind === "archive") {
    const archive = await readArchive(path, { signal });
    return { items: archive.items(), skipped: archive.skipped };
  }
  const scan = await scanDirectory(path, { signal });
  return { items: directorySource(scan, signal), skipped: scan.skipped };
}

/** Yields what is in the root. The root itself stays as it is. */
async function* guestItems(items: AsyncIterable<TreeItem>): AsyncGenerator<GuestItem> {
  for await (const item of items) {
    const { path, type, mode, size, mtimeNs, target } = item;
    if (path.length === 0) continue;
    const link = target ? { target } : {};
    yield { entry: { path, type, mode, size, mtimeNs, ...link }, content: () => item.content() };
  }
}

/**
 * Copies a file, directory or link out of the workspace, complete or not at all, to a path where
 * nothing is.
 */
export async function exportFromWorkspace(
  wanted: WorkspaceCall,
  typed: string,
  { output, allowSecrets }: { readonly output: string; readonly allowSecrets: boolean },
): Promise<ExportedTree> {
  const path = pathInWorkspace(typed);
  const outputPath = resolve(output);
  const skipped: SkippedEntry[] = [];
  const request = { paths: [path], depth: -1, contentLimit: -1, digest: false, follow: false, allowSecrets };
  using tree = await exportTree(wanted, request);
  const items = withProgress(hostItems(path, tree.items, skipped), "export", wanted.onProgress);
  const { type, entryCount, contentBytes } = await writeOnHost(wanted, items, outputPath, exportLimits);
  if (tree.skippedCount > 0) skipped.push(unreadable(path, tree.skippedCount));
  const exported = { entryCount, bytesWritten: contentBytes };
  await tree.report({ path: displayed(path), outputPath, ...exported }).catch((error: unknown) => {
    // The export is complete. A workspace that has just ended has no history to record it in.
    if (wanted.signal?.aborted) throw error;
  });
  return { workspacePath: displayed(path), outputPath, artifactType: type, ...exported, skippedFiles: skipped };
}

async function* hostItems(
  root: Buffer,
  items: AsyncIterable<GuestItem>,
  skipped: SkippedEntry[],
): AsyncGenerator<TreeItem> {
  let [entryCount, nameBytes] = [0, 0];
  for await (const { entry, content } of items) {
    entryCount += 1;
    nameBytes += entry.path.length;
    // Entries that are left out count too, because a guest could send them for ever.
    if (entryCount > exportLimits.maxEntries || nameBytes > maxNameBytes) {
      throw new PyroError("resource_exhausted", "cannot export: there are too many files");
    }
    if (entry.path.equals(root)) requireExportable(entry);
    const { type } = entry;
    if (type === "file" || type === "directory" || type === "symlink" || type === "hard_link") {
      yield { ...hostEntry(root, entry), type, content };
    } else if (type !== "other") {
      throw new PyroError("internal", "the guest sent what is no part of its files");
    } else if (skipped.length < maxSkippedShown) {
      skipped.push({ path: displayed(entry.path), reason: "it is a device, a socket or a named pipe" });
    }
  }
}

function unreadable(path: Buffer, count: number): SkippedEntry {
  const what = count === 1 ? "one file in it" : `${count.toLocaleString("en")} files in it`;
  return { path: displayed(path), reason: `${what} could not be read, or vanished meanwhile` };
}

function requireExportable({ type, path }: GuestEntry): void {
  if (type === "missing") throw noSuchFile(path);
  if (type !== "other") return;
  throw new PyroError(
    "failed_precondition",
    `cannot export '${displayed(path)}': it is a device, a socket or a named pipe`,
  );
}

function hostEntry(root: Buffer, { path, mode = 0o644, size = 0, mtimeNs = 0n, target, type }: GuestEntry) {
  const link = type === "hard_link" && target ? below(root, target) : target;
  return { path: below(root, path), mode, size, mtimeNs, ...(link ? { target: link } : {}) };
}

/**
 * A path relative to the exported root. A path elsewhere, which only a lying guest sends, becomes
 * one that the writer refuses.
 */
function below(root: Buffer, path: Buffer): Buffer {
  if (root.length === 0) return path;
  if (path.equals(root)) return Buffer.alloc(0);
  const prefix = Buffer.concat([root, Buffer.from("/")]);
  return path.subarray(0, prefix.length).equals(prefix) ? path.subarray(prefix.length) : Buffer.from("..");
}
