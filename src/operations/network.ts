import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import { narrowTo } from "../network/policy/narrow.ts";
import { compilePolicy } from "../network/policy/policy.ts";
import { presets } from "../network/policy/presets.ts";
import { allowsEgress, type NetworkMode, type NetworkRules, networkModes } from "../network/policy/rules.ts";

/** Input fields of operations that make a machine. */
export const networkRuleFields = {
  allow: z
    .array(z.string().min(1))
    .optional()
    .describe(`Hosts of an ecosystem (${presets.map(({ name }) => name).join(", ")}) that may be reached; repeatable`),
  allowHosts: z
    .array(z.string().min(1))
    .optional()
    .describe(
      "Host that may be reached, and then only such: NAME, *.NAME, an address or a network, with :PORT, :FROM-TO or none (80 and 443); repeatable",
    ),
  denyHosts: z
    .array(z.string().min(1))
    .optional()
    .describe("Host that may not be reached, whatever else is allowed; repeatable"),
  allowPrivate: z
    .array(z.string().min(1))
    .optional()
    .describe("Name or network for which addresses are allowed that are not public; repeatable"),
};

/** For a machine that runs one command, and has no policy */
export const networkAccess = z.boolean().default(false).describe("Give the guest a way out to the internet");

export const hostCertificates = z
  .boolean()
  .optional()
  .describe("Make the guest trust the certificate authorities that were added to this host");

export const networkPolicy = z
  .enum(networkModes)
  .optional()
  .describe("What of the network the guest can reach, and whether its ports can be published; default: off");

type RuleLists = {
  readonly [F in keyof typeof networkRuleFields]?: readonly string[] | undefined;
};

/** What a caller wants of the network. */
export interface WantedNetwork extends RuleLists {
  readonly mode?: NetworkMode | undefined;
}

/**
 * The rules for a machine. A caller with a ceiling, which is a model, gets what its user has
 * allowed, or less. Fails if rules make no sense, or allow more than that.
 */
export function networkRules(wanted: WantedNetwork, ceiling?: NetworkRules): NetworkRules {
  const { mode = ceiling?.mode ?? "off", allow = [], allowHosts = [], denyHosts = [], allowPrivate = [] } = wanted;
  const lists = { presets: [...allow], allowHosts: [...allowHosts], denyHosts: [...denyHosts] };
  const rules: NetworkRules = { mode, ...lists, allowPrivate: [...allowPrivate] };
  // Rules that make no sense are refused now, not when the machine runs.
  compilePolicy(rules);
  const { mode: _, ...given } = rules;
  if (!allowsEgress(mode) && Object.values(given).some(({ length }) => length > 0)) {
    throw new PyroError("invalid_argument", "cannot use rules about hosts: the guest has no way out", {
      hint: "Give `--network`, or a network policy with egress, too.",
    });
  }
  return ceiling ? withinCeiling(rules, ceiling) : rules;
}

function withinCeiling(rules: NetworkRules, ceiling: NetworkRules): NetworkRules {
  if (rules.mode === "off") return rules;
  if (ceiling.mode !== "off") return narrowTo(ceiling, rules);
  throw new PyroError("failed_precondition", `cannot use network policy '${rules.mode}': the user has not allowed it`, {
    hint: "Go on without, or ask the user to start the server with `--network-policy` and `--allow-host`.",
  });
}

/** The rules for a machine with or without a way out. */
export function egressRules(network: boolean, lists: RuleLists, ceiling: NetworkRules | undefined): NetworkRules {
  return networkRules({ ...lists, mode: network ? "egress" : "off" }, ceiling);
}
