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

/** Where the scratch folder of a build goes: what a user namespace's root unpacks must be reachable by all, so outside our 0700 folders. */
export function scratchParent(host: BuildHost, stagingDir: string, tempDir: string): string {
  return isSuperuser(host) ? stagingDir : tempDir;
}

/** Makes a folder for unpacking packages, known by its name in the staging folder even when this process dies at once. */
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

/** What a link found on the disk must point to before its target is removed with all it holds. */
function isOutsideName(name: string): boolean {
  return name.startsWith(outsideName) && isUuid(name.slice(outsideName.length));
}

async function removeTree(host: BuildHost, path: string): Promise<void> {
  const rootDir = join(path, "root");
  if (!isSuperuser(host) && (await pathExists(rootDir))) {
    // What a user namespace's root unpacked belongs to subordinate users; only the emptied folder is ours to remove
    await run(host, ["mmdebstrap", "--unshare-helper", "find", rootDir, "-xdev", "-mindepth", "1", "-delete"]);
  }
  // --one-file-system: a host where nothing can be unshared might still have a mount in there
  await run(host, ["rm", "-rf", "--one-file-system", path]);
}

async function run(host: BuildHost, command: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await capture(hostCommand(host, command), { timeoutMs: removalTimeoutMs, cwd: "/" });
  if (exitCode === 0) return;
  throw new PyroError("internal", `cannot remove what a build left: ${stderr.trim().split("\n")[0]}`, {
    details: { command, stderr },
  });
}
