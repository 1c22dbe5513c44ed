import { PyroError } from "../../core/errors.ts";

const mirrorHint = "Check the network and http_proxy, or set PYRO_DEBIAN_MIRROR to a mirror that this machine can reach.";

/** Puts into one line why mmdebstrap failed, from what it and apt wrote to standard error. */
export function bootstrapError(environment: string, stderr: string): PyroError {
  const action = `cannot pull '${environment}'`;
  const details = { stderr: stderr.trim().split("\n").slice(-20).join("\n") };
  if (/No space left on device|not enough free space/i.test(stderr)) {
    return new PyroError("resource_exhausted", `${action}: the disk became full while packages were unpacked`, {
      hint: "Free some space, or run `pyro env prune`.",
      details,
    });
  }
  const download = downloadFailure(stderr);
  if (download) {
    return new PyroError("unavailable", `${action}: the package mirror cannot be used: ${download}`, { hint: mirrorHint, details });
  }
  return new PyroError("internal", `${action}: mmdebstrap failed: ${firstError(stderr) ?? "it did not say why"}`, { details });
}

function downloadFailure(stderr: string): string | undefined {
  // apt: `E: Failed to fetch http://…/InRelease  Could not resolve '…'`, the reason after two spaces
  const fetch = /^[EW]: Failed to fetch \S+ {2}(.+)$/m.exec(stderr)?.[1];
  return fetch ?? /^E: (The repository .+)$/m.exec(stderr)?.[1];
}

function firstError(stderr: string): string | undefined {
  return /^E: (.+)$/m.exec(stderr)?.[1];
}
