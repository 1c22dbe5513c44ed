import { PyroError } from "../core/errors.ts";

/**
 * Fails closed until a policy can keep a guest off the host's loopback, private networks and
 * metadata addresses.
 */
export function refuseNetwork(): never {
  throw new PyroError("unsupported", "cannot give a guest network access: this version has no egress policy yet", {
    hint: "Leave it out; the guest is then fully offline.",
  });
}

export function refuseNetworkPolicy(policy: string): never {
  throw new PyroError("unsupported", `cannot use network policy '${policy}': this version has no egress policy yet`, {
    hint: "Leave it out; the guest is then fully offline.",
  });
}
