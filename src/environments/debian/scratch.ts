import { randomUUID } from "node:crypto";
import { chmod, mkdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { capture } from "../../host/process.ts";

const removalTimeoutMs = 120_000;

/** Whether packages are unpacked by the superuser, or by an ordinary user as the root of a user namespace. */
export function isSuperuser(): boolean {
  return process.getuid?.() === 0;
}

/** Where the scratch folder of a build goes: what a user namespace's root unpacks must be reachable by all, so outside our 0700 folders. */
export function scratchParent(stagingDir: string, tempDir: string): string {
  return isSuperuser() ? stagingDir : tempDir;
}

/** Makes a folder for unpacking packages, known by its name in the staging folder even when this process dies at once. */
export async function createScratch(stagingDir: string, tempDir: string): Promise<string> {
  const known = join(stagingDir, "scratch");
  const path = isSuperuser() ? known : join(tempDir, `pyro-environment-${randomUUID()}`);
  if (path !== known) await symlink(path, known);
  await mkdir(path);
  await chmod(path, 0o755);
  return path;
}

export async function removeScratch(stagingDir: string): Promise<void> {
  const known = join(stagingDir, "scratch");
  const path = await readlink(known).catch((error: unknown) => {
    if (["EINVAL", "ENOENT"].includes(systemErrorCode(error) ?? "")) return known;
    throw error;
  });
  if (await pathExists(path)) await removeTree(path);
}

async function removeTree(path: string): Promise<void> {
  const rootDir = join(path, "root");
  if (!isSuperuser() && (await pathExists(rootDir))) {
    // What a user namespace's root unpacked belongs to subordinate users; only the emptied folder is ours to remove
    await run(["mmdebstrap", "--unshare-helper", "find", rootDir, "-xdev", "-mindepth", "1", "-delete"]);
  }
  // --one-file-system: a host where nothing can be unshared might still have a mount in there
  await run(["rm", "-rf", "--one-file-system", path]);
}

async function run(command: readonly [string, ...string[]]): Promise<void> {
  const { exitCode, stderr } = await capture(command, { timeoutMs: removalTimeoutMs, cwd: "/" });
  if (exitCode === 0) return;
  throw new PyroError("internal", `cannot remove what a build left: ${stderr.trim().split("\n")[0]}`, {
    details: { command, stderr },
  });
}
