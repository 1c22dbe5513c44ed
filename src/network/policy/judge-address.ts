import { type Address, formatAddress, networkOf, parseAddress } from "./address.ts";
import { formatRule, type HostRule, ruleMatchesAddress, ruleMatchesName, ruleMatchesNetwork } from "./host-rule.ts";
import { hostName } from "./name.ts";
import { includesPort, publicPorts } from "./ports.ts";
import type { ParsedRules } from "./rules.ts";
import { type AddressKind, addressKinds, kindOf, readingsOf } from "./special.ts";
import { allowed, besidePublic, type Denial, denied, deniedBy, isPort, type Verdict } from "./verdict.ts";

/** Judges an address that the guest gave itself, as if the mode had egress. */
export function judgeLiteral(rules: ParsedRules, text: string, port: number): Verdict {
  const address = parseAddress(text);
  if (!address) return denied(text.includes("%") ? "an address with a zone is never public" : "not an address");
  if (!isPort(port)) return denied("not a port");
  const denial = addressDenialOf(rules, address, port);
  return denial ? deniedBy(denial) : judgeOpen(rules, address, port);
}

/** Judges an address that no rule denies. */
function judgeOpen(rules: ParsedRules, address: Address, port: number): Verdict {
  const shown = formatAddress(address);
  const kind = hasPrivateLeave(rules, address) ? undefined : kindOf(address);
  const named = rules.allow.filter((rule) => ruleMatchesAddress(rule, address));
  const open = named.filter(({ isLeave }) => kind === undefined || isLeave);
  const isOnPort = ({ ports }: HostRule) => includesPort(ports, port);
  const isPublicPort = rules.isPublic && includesPort(publicPorts, port);
  const rule = `--allow-host ${formatRule(shown, port)}`;
  const way = rules.isPublic ? besidePublic(rule) : rule;
  if (kind !== undefined && open.length === 0) {
    const needsOnlyLeave = isPublicPort || named.some(isOnPort);
    return notPublic(shown, kind, needsOnlyLeave ? `--allow-private ${shown}` : way);
  }
  if (open.some(isOnPort) || (kind === undefined && isPublicPort)) return allowed;
  if (rules.isPublic && open.length === 0) return denied(`port ${port} is not open by default`, way);
  return denied(
    open.length > 0 ? `port ${port} of ${shown} is not in ${rules.listFlags}` : `not in ${rules.listFlags}`,
    way,
  );
}

function notPublic(shown: string, kind: AddressKind, way: string): Denial {
  return denied(isKind(shown, kind), addressKinds[kind].canBeDialled ? way : undefined);
}

const isKind = (address: string, kind: AddressKind) => `${address} is ${addressKinds[kind].words}`;

/** A rule that denies an address, or the IPv4 address that is in it. */
function addressDenialOf({ deny }: ParsedRules, address: Address, port: number): HostRule | undefined {
  const readings = readingsOf(address);
  return deny.find(
    (rule) => includesPort(rule.ports, port) && readings.some((reading) => ruleMatchesNetwork(rule, reading)),
  );
}

/** Whether any allowed name may mean an address that is not public. */
function hasPrivateLeave(rules: ParsedRules, address: Address): boolean {
  return rules.private.some((rule) => ruleMatchesNetwork(rule, networkOf(address)));
}

export interface RefusedAddress {
  readonly address: string;
  /** `denied` if the name, the port or the address is denied, whatever kind it is */
  readonly kind: AddressKind | "denied" | "malformed";
  readonly rule: string;
  readonly howToAllow: string | undefined;
}

export interface Meaning {
  readonly name: string;
  readonly port: number;
  readonly text: string;
  /** Of the name */
  readonly verdict: Verdict;
}

/** Judges one address that a name means: returns it, or why it may not be dialled. */
export function judgeMeaning(rules: ParsedRules, { name, port, text, verdict }: Meaning): string | RefusedAddress {
  const address = parseAddress(text);
  if (!address) {
    return { address: text, kind: "malformed", rule: "not an address without a zone", howToAllow: undefined };
  }
  const shown = formatAddress(address);
  const refusedAs = (kind: RefusedAddress["kind"], { rule, howToAllow }: Denial) => ({
    address: shown,
    kind,
    rule,
    howToAllow,
  });
  if (!verdict.allowed) return refusedAs("denied", verdict);
  const denial = addressDenialOf(rules, address, port);
  if (denial) return refusedAs("denied", deniedBy(denial));
  const kind = kindOf(address);
  if (kind === undefined || hasPrivateLeave(rules, address)) return shown;
  const { byName, canBeDialled } = addressKinds[kind];
  const asName = hostName(name) ?? name;
  if (byName && rules.private.some((rule) => ruleMatchesName(rule, asName))) return shown;
  const way = canBeDialled ? `--allow-private ${byName ? asName : shown}` : undefined;
  return refusedAs(kind, denied(isKind(shown, kind), way));
}
