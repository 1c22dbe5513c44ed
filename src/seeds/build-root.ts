import { PyroError } from "../core/errors.ts";
import { freeSomeSpace } from "../host/files.ts";
import { type CapturedRun, capture, foundIn, killedAsGroup } from "../host/process.ts";

/** Folders of Debian's tools that are not in users' own PATH */
const systemPath = "/usr/sbin:/sbin";

const probeTimeoutMs = 10_000;
const removalTimeoutMs = 5 * 60_000;

/** The user that makes images, and the programs for it. */
export interface BuildRoot {
  /** Folders in which host programs are looked up, in the form of PATH */
  readonly searchPath: string;
  /**
   * The superuser, 0, or a user who becomes the root of a user namespace, which owns and can read
   * that user's files
   */
  readonly uid: number;
}

export interface RunOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Open files for descriptors 3, 4, … of the program */
  readonly extraFds?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program for which this user's files belong to root. */
export function runAsRoot(root: BuildRoot, command: readonly string[], options: RunOptions): Promise<CapturedRun> {
  const become = root.uid === 0 ? [] : ["unshare", "--map-root-user", "--"];
  const path = `${root.searchPath}:${systemPath}`;
  return capture(killedAsGroup(foundIn(path, ["LC_ALL=C", ...become, ...command])), options);
}

/** Tries what an image needs, because a host can forbid it in several ways. */
export async function requireBuildRoot(root: BuildRoot, signal: AbortSignal | undefined): Promise<void> {
  const programs = "mke2fs tar sha256sum mkfifo tee";
  const script = `for program in ${programs}; do command -v "$program" >/dev/null || echo "$program"; done; echo .`;
  const { stdout, stderr } = await runAsRoot(root, ["sh", "-c", script], { timeoutMs: probeTimeoutMs, signal });
  const missing = stdout.split("\n").filter(Boolean);
  if (missing.pop() !== ".") {
    const reason = stderr.trim().split("\n").at(-1) ?? "";
    throw new PyroError("unavailable", `cannot make a disk image as an ordinary user: ${reason}`, {
      hint: "Allow user namespaces: run `sudo sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000`.",
      details: { stderr },
    });
  }
  if (missing.length === 0) return;
  throw new PyroError("unavailable", `cannot make a disk image: ${missing.join(", ")} not found`, {
    hint: "Run `sudo apt-get install e2fsprogs tar coreutils`.",
  });
}

/** Removes a folder, also if folders in it are not writable. */
export async function removeAsRoot(root: BuildRoot, path: string): Promise<void> {
  const remove = 'rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }';
  // Tries again, because the processes of a killed build can take a moment to die.
  const { exitCode, stderr } = await runAsRoot(root, ["sh", "-c", remove, "sh", path], { timeoutMs: removalTimeoutMs });
  if (exitCode === 0) return;
  const reason = stderr.trim().split("\n").at(-1) ?? "";
  throw new PyroError("internal", `cannot remove '${path}': ${reason}`, { details: { stderr } });
}

/**
 * Lets ext4 put each folder in `dir` into another part of the disk. Near thousands of files that
 * were just removed, ext4 looks at each of them for every new one: 20,000 files then take 15 s,
 * elsewhere 0.5 s.
 */
export async function spreadFolders(root: BuildRoot, dir: string): Promise<void> {
  // Other file systems refuse it and do not need it.
  await runAsRoot(root, ["chattr", "+T", dir], { timeoutMs: probeTimeoutMs });
}

export function diskFull(action: string): PyroError {
  return new PyroError("resource_exhausted", `${action}: the disk became full`, {
    hint: freeSomeSpace,
  });
}
