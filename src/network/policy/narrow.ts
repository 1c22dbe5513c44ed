import { PyroError } from "../../core/errors.ts";
import { containsTarget, excerpt, type HostRule, type Target } from "./host-rule.ts";
import { isPublicName } from "./name.ts";
import { allPorts, containsPorts, type Ports, publicPorts } from "./ports.ts";
import { allowsEgress, allowsPublishedPorts, type NetworkRules, type ParsedRules, parseRules } from "./rules.ts";

/**
 * Whether wanted rules allow nothing that the ceiling does not. It compares rule by rule, so it can
 * say no where all rules together would be within, and never the other way round.
 */
export function isWithin(ceiling: NetworkRules, wanted: NetworkRules): boolean {
  return firstBeyond(parseRules(ceiling), parseRules(wanted)) === undefined;
}

/**
 * Wanted rules with what the ceiling denies. Rules that name nothing take the ceiling's lists.
 * Throws `invalid_argument` if they are not within the ceiling.
 */
export function narrowTo(ceiling: NetworkRules, wanted: NetworkRules): NetworkRules {
  const namesNothing = [wanted.allowHosts, wanted.presets, wanted.allowPrivate].every(({ length }) => length === 0);
  const { allowHosts, presets, allowPrivate } = namesNothing ? ceiling : wanted;
  const denyHosts = [...new Set([...ceiling.denyHosts, ...wanted.denyHosts])];
  const narrowed = { mode: wanted.mode, allowHosts, denyHosts, allowPrivate, presets };
  const beyond = firstBeyond(parseRules(ceiling), parseRules(narrowed));
  if (beyond === undefined) return narrowed;
  throw new PyroError("invalid_argument", `cannot use these network rules: ${beyond}`, {
    hint: "Ask for less, or let the user raise the limit where it is set.",
  });
}

/** The first of what is wanted that the ceiling does not allow. */
function firstBeyond(ceiling: ParsedRules, wanted: ParsedRules): string | undefined {
  const isWider = (allows: typeof allowsEgress) => allows(wanted.mode) && !allows(ceiling.mode);
  if (isWider(allowsEgress) || isWider(allowsPublishedPorts)) {
    return `network policy '${wanted.mode}' is wider than '${ceiling.mode}', which is the limit`;
  }
  if (!allowsEgress(wanted.mode)) return undefined;
  if (wanted.isPublic && !ceiling.isPublic) return "they open the public internet, and the limit is a list of hosts";
  const host = wanted.allow.find((rule) => !isCovered(ceiling, rule));
  if (host) return `allowed host '${excerpt(host.text)}' is wider than the limit`;
  const leave = wanted.private.find(({ target }) => !hasLeave(ceiling, target));
  if (leave) return `leave for private '${excerpt(leave.text)}' is wider than the limit`;
  const open = ceiling.deny.find(({ target, ports }) => !containsPorts(portsOn(wanted.deny, target), ports));
  return open && `denied host '${excerpt(open.text)}' is not denied`;
}

function isCovered(ceiling: ParsedRules, { target, ports, isLeave }: HostRule): boolean {
  const needsLeave = isLeave && !hasLeave(ceiling, target);
  const usable = needsLeave ? ceiling.allow.filter((rule) => rule.isLeave) : ceiling.allow;
  const open = ceiling.isPublic && !needsLeave && isPublicTarget(target) ? publicPorts : [];
  return containsPorts([...open, ...portsOn(usable, target)], ports);
}

/** The ports on which rules mean all of a target. */
function portsOn(rules: readonly HostRule[], target: Target): Ports {
  return rules.filter((rule) => containsTarget(rule.target, target)).flatMap(({ ports }) => ports);
}

function hasLeave(rules: ParsedRules, target: Target): boolean {
  return containsPorts(portsOn(rules.private, target), allPorts);
}

/** Whether egress without a list allows a target, as far as its name decides. */
function isPublicTarget(target: Target): boolean {
  if (target.kind === "network") return true;
  const { name, isBelow } = target.pattern;
  return isPublicName(isBelow ? `x.${name}` : name);
}
