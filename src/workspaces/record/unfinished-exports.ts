import { randomBytes } from "node:crypto";
import { lstat, readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as z from "zod";
import { systemErrorCode } from "../../core/errors.ts";
import { checkWire } from "../../core/wire-case.ts";
import { readRecord, writeFact } from "../../host/files.ts";
import { capture } from "../../host/process.ts";
import { identifyProcess, isSameProcess, processIdentitySchema } from "../../host/process-identity.ts";
import { isStagingName, type StagingNote } from "../../tree/write/staging.ts";

/** An export that is under way, or whose process was killed. It stands beside the workspaces */
const noteForm = /^\.export-[0-9a-f]{16}\.json$/;
const noteSchema = z.object({
  path: z.string(),
  process: processIdentitySchema,
  /** The folder that the export goes into, by its device and inode; older notes lack it */
  folder: z.string().optional(),
});
checkWire(noteSchema, "note of an export");

/** A folder that was moved may come back, but not be waited for for ever */
const keptMs = 7 * 24 * 60 * 60 * 1000;
const changeModesMs = 60_000;

/** Notes where an incomplete export is, until it is complete or removed. */
export async function noteExport(workspacesDir: string, path: string): Promise<StagingNote> {
  const ours = await identifyProcess(process.pid);
  const notePath = join(workspacesDir, `.export-${randomBytes(8).toString("hex")}.json`);
  if (ours) await writeFact(notePath, noteSchema, { path, process: ours, folder: await identityOf(dirname(path)) });
  return {
    path: notePath,
    async [Symbol.asyncDispose]() {
      await rm(notePath, { force: true });
    },
  };
}

/**
 * Removes what exports have left whose process was killed. If such a folder was moved, its leftover
 * is found when something is exported `into` it.
 */
export async function sweepExports(workspacesDir: string, into?: string): Promise<void> {
  for (const name of await readdir(workspacesDir).catch(() => [])) {
    if (noteForm.test(name)) await sweepExport(join(workspacesDir, name), into);
  }
}

async function sweepExport(notePath: string, into: string | undefined): Promise<void> {
  const read = await readRecord(notePath, noteSchema);
  if (read.status === "absent") return;
  const note = read.status === "ok" ? read.record : undefined;
  if (note) {
    const owner = await identifyProcess(note.process.pid);
    if (owner && isSameProcess(owner, note.process)) return;
    const name = basename(note.path);
    // Nothing else is removed, whatever a note says.
    const dirs = isStagingName(name) ? [dirname(note.path), ...(into === undefined ? [] : [into])] : [];
    const removed = await Promise.all(dirs.map((dir) => removeTree(join(dir, name))));
    const wasMoved = dirs.length > 0 && !removed.includes(true) && !(await isSameFolder(note));
    if (wasMoved && !(await isOld(notePath))) return;
  }
  await rm(notePath, { force: true });
}

/**
 * Whether the folder is still where it was. Then an export that is not in it had not begun, or was
 * complete, when its process was killed.
 */
async function isSameFolder({ path, folder }: z.output<typeof noteSchema>): Promise<boolean> {
  return folder !== undefined && folder === (await identityOf(dirname(path)));
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev}:${found.ino}`;
}

/** Whether there was such a tree, which is gone now. */
async function removeTree(path: string): Promise<boolean> {
  if (!(await isThere(path))) return false;
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // Folders get their own modes when all is written, and may then not be writable.
    await capture(["chmod", "-R", "u+rwX", "--", path], { timeoutMs: changeModesMs }).catch(() => undefined);
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
  return !(await isThere(path));
}

/** An export of a link is one too, and may lead nowhere. */
async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: unknown) => !["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? ""),
  );
}

async function isOld(notePath: string): Promise<boolean> {
  const written = await stat(notePath).catch(() => undefined);
  return written === undefined || Date.now() - written.mtimeMs > keptMs;
}
