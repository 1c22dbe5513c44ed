import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { capture, findProgram } from "../../host/process.ts";
import { isSuperuser } from "./scratch.ts";

/** Where Debian keeps tools that users' own search paths leave out. */
export const systemPath = "/usr/sbin:/sbin";

export const keyringPath = "/usr/share/keyrings/debian-archive-keyring.gpg";

const probeTimeoutMs = 10_000;

/** Refuses to start a build without the host's tools, with the command that installs them. */
export async function requireHostTools(searchPath: string): Promise<void> {
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
  if (missing.length === 0) return;
  const files = missing.map(({ file }) => `'${file}'`).join(", ");
  throw new PyroError("unavailable", `cannot build environments: ${files} not found`, {
    hint: `Run \`sudo apt-get install ${missing.map((tool) => tool.package).join(" ")}\`.`,
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
