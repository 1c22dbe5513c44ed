import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { capture, findProgram } from "../../host/process.ts";
import { hostPlatform, requireSupportedPlatform } from "../../host/system.ts";
import { isSuperuser } from "./scratch.ts";

/** Where Debian keeps tools that users' own search paths leave out. */
const systemPath = "/usr/sbin:/sbin";

const keyringPath = "/usr/share/keyrings/debian-archive-keyring.gpg";

const probeTimeoutMs = 10_000;

/** Refuses to start a build without the host's tools, with the command that installs them. */
export async function requireHostTools(searchPath: string): Promise<void> {
  requireSupportedPlatform(hostPlatform());
  const needed = [
    { program: "mmdebstrap", package: "mmdebstrap" },
    { program: "apt-get", package: "apt" },
    { program: "mke2fs", package: "e2fsprogs" },
    ...(isSuperuser() ? [] : [{ program: "newuidmap", package: "uidmap" }]),
  ];
  const missing: { readonly file: string; readonly package: string }[] = [];
  for (const { program, package: name } of needed) {
    const found = await findProgram(program, `${searchPath}:${systemPath}`);
    if (!found) missing.push({ file: program, package: name });
  }
  if (!(await pathExists(keyringPath))) missing.push({ file: keyringPath, package: "debian-archive-keyring" });
  if (missing.length === 0) return isSuperuser() ? undefined : requireUserNamespace();
  const files = missing.map(({ file }) => `'${file}'`).join(", ");
  throw new PyroError("unavailable", `cannot build environments: ${files} not found`, {
    hint: `Run \`sudo apt-get install ${missing.map((tool) => tool.package).join(" ")}\`.`,
  });
}

/** Tries what an ordinary user's build stands on, because a host can forbid it in several ways. */
async function requireUserNamespace(): Promise<void> {
  const { exitCode, stderr } = await capture(["mmdebstrap", "--unshare-helper", "true"], { timeoutMs: probeTimeoutMs });
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
export async function isolationPrefix(signal: AbortSignal | undefined): Promise<readonly string[]> {
  if (!isSuperuser()) return [];
  const unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"] as const;
  const { exitCode } = await capture([...unshare, "true"], { timeoutMs: probeTimeoutMs, signal });
  return exitCode === 0 ? unshare : [];
}
