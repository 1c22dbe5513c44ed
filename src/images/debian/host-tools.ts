import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { capture, findProgram, foundIn } from "../../host/process.ts";
import { hostPlatform, requireSupportedPlatform } from "../../host/system.ts";

/** Where Debian keeps tools that users' own search paths leave out. */
const systemPath = "/usr/sbin:/sbin";

const keyringPath = "/usr/share/keyrings/debian-archive-keyring.gpg";

const probeTimeoutMs = 10_000;

/** The host, as far as building depends on it. */
export interface BuildHost {
  /** Where host programs are looked for, as in PATH */
  readonly searchPath: string;
  /** Who builds: the superuser, 0, or somebody who becomes the root of a user namespace for it */
  readonly uid: number;
}

/** Has host programs, and those that they run, looked up where `requireHostTools` looks. */
export function hostCommand({ searchPath }: BuildHost, command: readonly string[]): [string, ...string[]] {
  return foundIn(`${searchPath}:${systemPath}`, command);
}

/** Whether packages are unpacked by the superuser, or by an ordinary user as the root of a user namespace. */
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

/** Tries what an ordinary user's build stands on, because a host can forbid it in several ways. */
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
 * What to put before a command of the superuser so that its mounts and processes are gone when it is killed. Nothing where the host
 * forbids that (a container without CAP_SYS_ADMIN): there mmdebstrap cannot mount either.
 */
export async function isolationPrefix(host: BuildHost, signal: AbortSignal | undefined): Promise<readonly string[]> {
  if (!isSuperuser(host)) return [];
  const unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"] as const;
  const { exitCode } = await capture(hostCommand(host, [...unshare, "true"]), { timeoutMs: probeTimeoutMs, signal });
  return exitCode === 0 ? unshare : [];
}
