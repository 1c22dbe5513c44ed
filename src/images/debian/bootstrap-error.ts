import { PyroError, type PyroErrorOptions } from "../../core/errors.ts";
import { saysDiskFull } from "../../host/disk-space.ts";
import { freeSomeSpace } from "../../host/files.ts";

const mirrorHint =
  "Check the network and http_proxy, or set PYRO_DEBIAN_MIRROR to a mirror that this machine can reach.";

/** Explains in one line why mmdebstrap failed, from the standard error of it and apt. */
export function bootstrapError(environment: string, stderr: string): PyroError {
  const action = `cannot pull '${environment}'`;
  const details = { stderr: stderr.trim().split("\n").slice(-20).join("\n") };
  // The second are the words of apt
  if (saysDiskFull(stderr) || /not enough free space/i.test(stderr)) {
    return new PyroError("resource_exhausted", `${action}: the disk became full while packages were unpacked`, {
      hint: freeSomeSpace,
      details,
    });
  }
  const download = downloadFailure(stderr);
  if (download) return mirrorError(environment, download, details);
  return new PyroError("internal", `${action}: mmdebstrap failed: ${firstError(stderr) ?? "it did not say why"}`, {
    details,
  });
}

export function mirrorError(environment: string, reason: string, details?: PyroErrorOptions["details"]): PyroError {
  return new PyroError("unavailable", `cannot pull '${environment}': the package mirror cannot be used: ${reason}`, {
    hint: mirrorHint,
    ...(details ? { details } : {}),
  });
}

/**
 * apt's own words: `Err:1 http://… bookworm InRelease` with the reason indented below, or an error
 * with it after two spaces.
 */
function downloadFailure(stderr: string): string | undefined {
  const reason = /^Err:.+\n {2}(\S.*)$/m.exec(stderr) ?? /^[EW]: Failed to fetch \S+ {2}(.+)$/m.exec(stderr);
  return (reason ?? /^E: (The repository .+)$/m.exec(stderr))?.[1];
}

function firstError(stderr: string): string | undefined {
  return /^E: (.+)$/m.exec(stderr)?.[1];
}
