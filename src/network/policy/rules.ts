import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { type HostRule, parseHostRule } from "./host-rule.ts";
import { presetNamed, publicPreset } from "./presets.ts";

export const networkModes = ["off", "egress", "egress+published-ports", "published-ports"] as const;

export type NetworkMode = (typeof networkModes)[number];

export interface NetworkRules {
  readonly mode: NetworkMode;
  readonly allowHosts: readonly string[];
  readonly denyHosts: readonly string[];
  readonly allowPrivate: readonly string[];
  readonly presets: readonly string[];
}

const maxRules = 1000;
const maxRuleLength = 400;

const listOf = (parse: (text: string) => unknown) =>
  z
    .array(z.string().max(maxRuleLength).superRefine(explaining(parse)))
    .max(maxRules)
    .readonly()
    .default([]);

export const networkRulesSchema = z.object({
  mode: z.enum(networkModes),
  /** Only hosts that egress may reach, besides those of the presets */
  allowHosts: listOf((text) => parseHostRule(text, "allow host")),
  /** Hosts that are never reached, whatever else is allowed */
  denyHosts: listOf((text) => parseHostRule(text, "deny host")),
  /** Names that may mean private addresses, and networks that any allowed name may mean */
  allowPrivate: listOf((text) => parseHostRule(text, "allow private destination")),
  /** Names of presets */
  presets: listOf(presetNamed),
}) satisfies z.ZodType<NetworkRules>;

/** The rules of a guest that may reach nothing */
export const offline: NetworkRules = { mode: "off", allowHosts: [], denyHosts: [], allowPrivate: [], presets: [] };

/** Network rules that have been taken apart. */
export interface ParsedRules {
  readonly mode: NetworkMode;
  /** Whether public hosts are allowed on the usual ports, besides what the rules allow */
  readonly isPublic: boolean;
  readonly allow: readonly HostRule[];
  readonly deny: readonly HostRule[];
  readonly private: readonly HostRule[];
  /** The flags that made the list of what is allowed */
  readonly listFlags: string;
}

export function parseRules(rules: NetworkRules): ParsedRules {
  const own = rules.allowHosts.map((text) => parseHostRule(text, "allow host"));
  const ofPresets = rules.presets
    .flatMap((name) => presetNamed(name).rules)
    .map((text) => parseHostRule(text, "allow host"));
  const namesNothing = own.length === 0 && rules.presets.length === 0;
  const flags = [own.length > 0 ? "--allow-host" : "", ofPresets.length > 0 ? "--allow" : ""];
  return {
    mode: rules.mode,
    isPublic: namesNothing || rules.presets.includes(publicPreset),
    allow: [...own, ...ofPresets],
    deny: rules.denyHosts.map((text) => parseHostRule(text, "deny host")),
    private: rules.allowPrivate.map((text) => parseHostRule(text, "allow private destination")),
    listFlags: flags.filter((flag) => flag !== "").join(" or "),
  };
}

export function allowsEgress(mode: NetworkMode): boolean {
  return mode === "egress" || mode === "egress+published-ports";
}

export function allowsPublishedPorts(mode: NetworkMode): boolean {
  return mode === "published-ports" || mode === "egress+published-ports";
}

/** A refinement that says what a parser has thrown. */
function explaining(parse: (text: string) => unknown) {
  return (text: string, context: z.RefinementCtx<string>) => {
    try {
      parse(text);
    } catch (thrown) {
      const { message, hint } = PyroError.from(thrown);
      context.addIssue({ code: "custom", message: hint === undefined ? message : `${message}. ${hint}` });
    }
  };
}
