import { formatRule, type HostRule, parseHostRule, ruleMatchesName } from "./host-rule.ts";
import { endsInNumber, hostName, isLocalhost, isPublicName } from "./name.ts";
import { containsPorts, includesPort, onlyPorts, overlap, type Ports, publicPorts, webPorts } from "./ports.ts";
import { presets } from "./presets.ts";
import type { ParsedRules } from "./rules.ts";
import { allowed, besidePublic, type Denial, denied, deniedBy, isPort, type Verdict } from "./verdict.ts";

const presetRules = presets.map(({ name, rules }) => ({
  name,
  rules: rules.map((text) => parseHostRule(text, "allow host")),
}));

/** Judges a name on a port or, without one, on any, as if the mode had egress. */
export function judgeName(rules: ParsedRules, text: string, port: number | undefined): Verdict {
  const name = hostName(text);
  if (name === undefined) return denied("not a host name");
  if (endsInNumber(name)) return denied(`${name} would be read as an address`);
  if (isLocalhost(name)) return denied("localhost is never reached by name");
  if (port !== undefined && !isPort(port)) return denied("not a port");
  const open = openPorts(rules, name);
  const denial = denialOf(rules, name, port === undefined ? open : onlyPorts(port));
  if (denial) return deniedBy(denial);
  const isOpen = port === undefined ? open.length > 0 : includesPort(open, port);
  return isOpen ? allowed : notOpen(rules, { name, port, isNamed: open.length > 0 });
}

/** The ports that a name is allowed on if nothing denies it. */
function openPorts({ isPublic, allow, private: leave }: ParsedRules, name: string): Ports {
  const isPublicHost = isPublicName(name) || leave.some((rule) => ruleMatchesName(rule, name));
  const named = allow.filter((rule) => ruleMatchesName(rule, name)).flatMap(({ ports }) => ports);
  return [...(isPublic && isPublicHost ? publicPorts : []), ...named];
}

/** A rule that denies a name, if all of these ports are denied; if none, those of a new rule. */
function denialOf({ deny }: ParsedRules, name: string, ports: Ports): HostRule | undefined {
  const wanted = ports.length > 0 ? ports : webPorts;
  const matching = deny.filter((rule) => ruleMatchesName(rule, name) && overlap(rule.ports, wanted));
  const deniedPorts = matching.flatMap((rule) => rule.ports);
  return containsPorts(deniedPorts, wanted) ? matching[0] : undefined;
}

interface NotOpen {
  readonly name: string;
  readonly port: number | undefined;
  /** Whether another port is open */
  readonly isNamed: boolean;
}

function notOpen(rules: ParsedRules, { name, port, isNamed }: NotOpen): Denial {
  const { isPublic, listFlags } = rules;
  const way = `--allow-host ${formatRule(name, port)}`;
  if (isPublic) {
    const isUsual = port === undefined || includesPort(publicPorts, port);
    if (!isPublicName(name) && isUsual) return denied(`${name} is not a public name`, `--allow-private ${name}`);
    const rule = isPublicName(name) ? `port ${port} is not open by default` : `${name} is not a public name`;
    return denied(rule, besidePublic(way));
  }
  if (isNamed) return denied(`port ${port} of ${name} is not in ${listFlags}`, way);
  const preset = presetFor(rules, name, port);
  return denied(`not in ${listFlags}`, preset === undefined ? way : `--allow ${preset}`);
}

/** A preset that would allow a name. It is better advice, as its other hosts are needed next. */
function presetFor(rules: ParsedRules, name: string, port: number | undefined): string | undefined {
  const allows = (rule: HostRule) =>
    ruleMatchesName(rule, name) &&
    (port === undefined ? !denialOf(rules, name, rule.ports) : includesPort(rule.ports, port));
  return presetRules.find((preset) => preset.rules.some(allows))?.name;
}
