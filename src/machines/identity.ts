import { randomBytes } from "node:crypto";
import { unixTimeNs } from "../guest/agent.ts";
import type { ForkRequest } from "../guest/messages.ts";

const tokenBytes = 32;
/** Linux's pool takes in 256 bits at a time, and more does no harm */
const entropyBytes = 64;
const machineIdBytes = 16;

/** A new identity for a clone. It shares no value with any other. */
export function newIdentity(hostname: string): ForkRequest {
  return {
    hostname,
    token: randomBytes(tokenBytes).toString("hex"),
    entropyBase64: randomBytes(entropyBytes).toString("base64"),
    timeUnixNs: unixTimeNs(),
    machineId: randomBytes(machineIdBytes).toString("hex"),
  };
}
