import { openEgress } from "../../src/machines/guest/network.ts";
import type { Egress } from "../../src/network/egress.ts";
import { offline } from "../../src/network/policy/rules.ts";

/** The way out of a guest that may reach nothing. */
export function closedEgress(): Promise<Egress> {
  return openEgress({ hostProxies: {} }, offline);
}
