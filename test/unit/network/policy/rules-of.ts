import type { NetworkRules } from "../../../../src/network/policy/rules.ts";

/** Egress with the lists that a test names. */
export function rulesOf(rules: Partial<NetworkRules> = {}): NetworkRules {
  return { mode: "egress", allowHosts: [], denyHosts: [], allowPrivate: [], presets: [], ...rules };
}
