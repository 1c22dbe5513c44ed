import type { HostRule } from "./host-rule.ts";
import { maxPort } from "./ports.ts";
import { publicPreset } from "./presets.ts";
import { allowsEgress, allowsPublishedPorts, type ParsedRules } from "./rules.ts";

export interface Denial {
  readonly allowed: false;
  /** What denied it, such as `not in --allow-host` */
  readonly rule: string;
  /**
   * What the user has to add, such as `--allow-host example.com:8080`, or `remove --deny-host X`;
   * undefined if there is no way
   */
  readonly howToAllow: string | undefined;
}

/** The flags that give a guest a way out */
export const egressFlag = "--network-policy egress";

export type Verdict = { readonly allowed: true } | Denial;

export const allowed: Verdict = { allowed: true };
export const denied = (rule: string, howToAllow?: string): Denial => ({ allowed: false, rule, howToAllow });
export const deniedBy = ({ text }: HostRule) => denied(`--deny-host ${text}`, `remove --deny-host ${text}`);
/** Flags for a rule that leaves the public internet open, which the first rule would close. */
export const besidePublic = (way: string) => `--allow ${publicPreset} ${way}`;
export const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= maxPort;

/** The verdict of a mode with egress, as the mode that there is makes it. */
export function withMode({ mode }: ParsedRules, verdict: Verdict): Verdict {
  if (allowsEgress(mode)) return verdict;
  const flag = allowsPublishedPorts(mode) ? `${egressFlag}+published-ports` : egressFlag;
  const rule = `network policy is ${mode}`;
  if (verdict.allowed) return denied(rule, flag);
  const { howToAllow } = verdict;
  return denied(rule, howToAllow?.startsWith("--") ? `${flag} ${howToAllow}` : undefined);
}
