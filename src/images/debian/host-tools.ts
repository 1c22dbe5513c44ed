import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { capture, findProgram, foundIn } from "../../host/process.ts";
import { hostPlatform, requireSupportedPlatform } from "../../host/system.ts";

/** Folders of Debian's tools that are not in users' own PATH */
const systemPath = "/usr/sbin:/sbin";

const keyringPath = "/usr/share/keyrings/debian-archive-keyring.gpg";

const probeTimeoutMs = 10_000;

/** The host that builds. */
export interface BuildHost {
  /** Folders in which host programs are looked up, in the form of PATH */
  readonly searchPath: string;
  /** User that builds: the superuser, 0, or a user who becomes the root of a user namespace */
  readonly uid: number;
}

/** Looks host programs, and those that they run, up in the folders of `requireHostTools`. */
export function hostCommand({ searchPath }: BuildHost, command: readonly string[]): [string, ...string[]] {
  return foundIn(`${searchPath}:${systemPath}`, command);
}

/**
 * Whether packages are unpacked by the superuser, or by an ordinary user as the root of a user
 * namespace.
 */
export function isSuperuser({ uid }: BuildHost): boolean {
  return uid === 0;
}

/** Refuses to start a build without the host's tools, with the command that installs them. */
export async function requireHostTools(host: BuildHost): Promise<void> {
  requireSupportedPlatform(hostPlatform());
  const needed = [
    { program: "mmdebstrap", package: "mmdebstrap" },
    { program: "apt-get", package: "apt" },
    { program: "mke2fs", package: "e2fsprogs" },
    ...(isSuperuser(host) ? [] : [{ program: "newuidmap", package: "uidmap" }]),
  ];
  const missing: { readonly file: string; readonly package: string }[] = [];
  for (const { program, package: name } of needed) {
    const found = await findProgram(program, `${host.searchPath}:${systemPath}`);
    if (!found) missing.push({ file: program, package: name });
  }
  if (!(await pathExists(keyringPath))) missing.push({ file: keyringPath, package: "debian-archive-keyring" });
  if (missing.length === 0) return isSuperuser(host) ? undefined : requireUserNamespace(host);
  const files = missing.map(({ file }) => `'${file}'`).join(", ");
  throw new PyroError("unavailable", `cannot build environments: ${files} not found`, {
    hint: `Run \`sudo apt-get install ${missing.map((tool) => tool.package).join(" ")}\`.`,
  });
}

/** Tries what an ordinary user's build needs, because a host can forbid it in several ways. */
async function requireUserNamespace(host: BuildHost): Promise<void> {
  const { exitCode, stderr } = await capture(hostCommand(host, ["mmdebstrap", "--unshare-helper", "true"]), {
    timeoutMs: probeTimeoutMs,
  });
  if (exitCode === 0) return;
  const reason = /^[EW]: (.+)$/m.exec(stderr)?.[1] ?? "user namespaces do not work";
  throw new PyroError("unavailable", `cannot build environments as an ordinary user: ${reason}`, {
    hint: "Run `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`, allow user namespaces, or pull as root.",
    details: { stderr },
  });
}

/**
 * The prefix of a superuser's command that removes its mounts and processes if it is killed.
 * Nothing if the host forbids that (a container without CAP_SYS_ADMIN), where mmdebstrap cannot
 * mount either.
 */
export async function isolationPrefix(host: BuildHost, signal: AbortSignal | undefined): Promise<readonly string[]> {
  if (!isSuperuser(host)) return [];
  const unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"] as const;
  const { exitCode } = await capture(hostCommand(host, [...unshare, "true"]), { timeoutMs: probeTimeoutMs, signal });
  return exitCode === 0 ? unshare : [];
}
