import { join } from "node:path";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { checkWire } from "../../core/wire-case.ts";
import { fileStampSchema, readRecord, sameStamp, stampFile, writeFact } from "../../host/files.ts";
import { capture, findProgram } from "../../host/process.ts";
import { hostPlatform, requireSupportedPlatform } from "../../host/system.ts";

const programName = "qemu-system-x86_64";
const probeTimeoutMs = 10_000;
/** Debian 12 has this version; older ones are untried */
const oldestMajor = 7;

/**
 * Abilities of one QEMU program. pyro asks the program once, and keeps the answer until the program
 * changes.
 */
const installationSchema = z.object({
  path: z.string(),
  version: z.string(),
  stamp: fileStampSchema,
  /** Understands `rom=off`: a private mapping of a memory file that QEMU cannot write */
  mapsReadOnlyMemory: z.boolean(),
});
checkWire(installationSchema, "QEMU installation");
export type QemuInstallation = z.output<typeof installationSchema>;

export interface FindQemuOptions {
  readonly searchPath: string;
  readonly factsDir: string;
}

const installQemuHint = "Install QEMU: `apt-get install qemu-system-x86 qemu-utils`.";

/** Finds the system's QEMU; fails with `unavailable` if it is missing or too old. */
export async function findQemu({ searchPath, factsDir }: FindQemuOptions): Promise<QemuInstallation> {
  requireSupportedPlatform(hostPlatform());
  const path = await findProgram(programName, searchPath);
  if (path === undefined) {
    throw new PyroError("unavailable", `cannot run virtual machines: ${programName} is not in PATH`, {
      hint: installQemuHint,
    });
  }
  const stamp = await stampFile(path);
  const recordPath = join(factsDir, "qemu.json");
  const known = await readRecord(recordPath, installationSchema);
  if (known.status === "ok" && known.record.path === path && sameStamp(known.record.stamp, stamp)) return known.record;
  const abilities = await probe(path);
  const installation = { path, stamp, ...abilities };
  await writeFact(recordPath, installationSchema, installation).catch(() => {
    // The next call asks again. Other code reports a cache that cannot be written to.
  });
  return installation;
}

async function probe(path: string): Promise<{ version: string; mapsReadOnlyMemory: boolean }> {
  const { stdout, stderr, exitCode } = await capture([path, "--version"], { timeoutMs: probeTimeoutMs });
  const match = /version (\d+)\.(\d+)\.(\d+)/.exec(stdout);
  if (!match) {
    const said = (stderr || stdout).trim().split("\n")[0] ?? "";
    throw new PyroError(
      "unavailable",
      `cannot use '${path}': it did not tell its version (exit code ${exitCode}): ${said}`,
      { hint: installQemuHint },
    );
  }
  const major = Number(match[1]);
  if (major < oldestMajor) {
    throw new PyroError("unavailable", `cannot use '${path}': version ${match[0]} is older than ${oldestMajor}.0`, {
      hint: installQemuHint,
    });
  }
  return { version: match.slice(1).join("."), mapsReadOnlyMemory: major >= 9 };
}
