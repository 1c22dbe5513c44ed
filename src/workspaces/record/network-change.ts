import * as z from "zod";
import { compilePolicy } from "../../network/policy/policy.ts";
import { type NetworkRules, networkModes, networkRulesSchema } from "../../network/policy/rules.ts";

/** A change of what a workspace may reach. Rules are added to those that it has. */
export const networkChangeSchema = z.object({
  mode: z.enum(networkModes).optional(),
  /** Whether to begin without rules */
  clearRules: z.boolean(),
  add: networkRulesSchema.omit({ mode: true }),
});
export type NetworkChange = z.output<typeof networkChangeSchema>;

/** The rules after a change. Fails with `invalid_argument` if they make no sense. */
export function changedNetwork(present: NetworkRules, { mode, clearRules, add }: NetworkChange): NetworkRules {
  const joined = (list: Exclude<keyof NetworkRules, "mode">) => [
    ...new Set([...(clearRules ? [] : present[list]), ...add[list]]),
  ];
  const rules: NetworkRules = {
    mode: mode ?? present.mode,
    allowHosts: joined("allowHosts"),
    denyHosts: joined("denyHosts"),
    allowPrivate: joined("allowPrivate"),
    presets: joined("presets"),
  };
  compilePolicy(rules);
  return rules;
}
