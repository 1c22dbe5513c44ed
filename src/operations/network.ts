import { PyroError } from "../core/errors.ts";

/** Fails closed until a guest's way out can be kept off the host's loopback, private networks and metadata addresses. */
export function refuseNetwork(): never {
  throw new PyroError("unsupported", "cannot give a guest network access: this version has no egress policy yet", {
    hint: "Leave --network out; the guest is then fully offline.",
  });
}
