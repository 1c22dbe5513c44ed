import { randomUUID } from "node:crypto";
import { chmod, mkdir, readlink, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { capture } from "../../host/process.ts";
import { isUuid } from "../store-layout.ts";
import { type BuildHost, hostCommand, isSuperuser } from "./host-tools.ts";

const removalTimeoutMs = 120_000;

const outsideName = "pyro-environment-";

/**
 * Parent of a build's scratch folder. A user namespace's root cannot reach pyro's private folders
 * (0700).
 */
export function scratchParent(host: BuildHost, stagingDir: string, tempDir: string): string {
  return isSuperuser(host) ? stagingDir : tempDir;
}

/**
 * Creates a folder for unpacking packages. The staging folder names it, even if this process dies
 * at once.
 */
export async function createScratch(host: BuildHost, stagingDir: string, tempDir: string): Promise<string> {
  const known = join(stagingDir, "scratch");
  const path = isSuperuser(host) ? known : join(tempDir, outsideName + randomUUID());
  if (path !== known) await symlink(path, known);
  await mkdir(path);
  await chmod(path, 0o755);
  return path;
}

export async function removeScratch(host: BuildHost, stagingDir: string): Promise<void> {
  const known = join(stagingDir, "scratch");
  const path = await readlink(known).catch((error: unknown) => {
    if (["EINVAL", "ENOENT"].includes(systemErrorCode(error) ?? "")) return known;
    throw error;
  });
  const isOurs = path === known || isOutsideName(basename(path));
  if (isOurs && (await pathExists(path))) await removeTree(host, path);
}

/** Whether a link points to a scratch folder, so that its target may be removed. */
function isOutsideName(name: string): boolean {
  return name.startsWith(outsideName) && isUuid(name.slice(outsideName.length));
}

async function removeTree(host: BuildHost, path: string): Promise<void> {
  const rootDir = join(path, "root");
  if (!isSuperuser(host) && (await pathExists(rootDir))) {
    // Files that a user namespace's root unpacked belong to subordinate users. This user can only
    // remove the empty folder.
    await run(host, ["mmdebstrap", "--unshare-helper", "find", rootDir, "-xdev", "-mindepth", "1", "-delete"]);
  }
  // --one-file-system, because a host without namespaces may still have a mount in there.
  await run(host, ["rm", "-rf", "--one-file-system", path]);
}

async function run(host: BuildHost, command: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await capture(hostCommand(host, command), { timeoutMs: removalTimeoutMs, cwd: "/" });
  if (exitCode === 0) return;
  throw new PyroError("internal", `cannot remove what a build left: ${stderr.trim().split("\n")[0]}`, {
    details: { command, stderr },
  });
}
