import * as z from "zod";

/** What a guest may do in the network, in broad terms. */
export const networkModes = ["off", "egress", "egress+published-ports", "published-ports"] as const;
export type NetworkMode = (typeof networkModes)[number];

/** A network policy as its user has written it. */
export const networkRulesSchema = z.object({
  mode: z.enum(networkModes),
  /** Only these hosts, if there are any */
  allowHosts: z.array(z.string()),
  denyHosts: z.array(z.string()),
  /** Names and networks for which addresses that are not public are allowed */
  allowPrivate: z.array(z.string()),
  /** Names of presets, whose hosts are allowed as well */
  presets: z.array(z.string()),
});
export type NetworkRules = z.output<typeof networkRulesSchema>;

export const offline: NetworkRules = { mode: "off", allowHosts: [], denyHosts: [], allowPrivate: [], presets: [] };

export function hasEgress(mode: NetworkMode): boolean {
  return mode === "egress" || mode === "egress+published-ports";
}

export function publishesPorts(mode: NetworkMode): boolean {
  return mode === "published-ports" || mode === "egress+published-ports";
}
