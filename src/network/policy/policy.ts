import type { IPv4, IPv6 } from "ipaddr.js";
import { PyroError } from "../../core/errors.ts";
import { contains, isAllSpecial, needsLiteralLeave, parseAddress, specialKind } from "./address.ts";
import { presets, publicPreset } from "./presets.ts";
import {
  coversSubject,
  hasName,
  hasPort,
  looksLikeAddress,
  normalName,
  parseRule,
  parseSubject,
  type Rule,
  type Subject,
} from "./rule.ts";
import { hasEgress, type NetworkRules } from "./rules.ts";

/** Ports of a host that a rule names without ports: HTTP and HTTPS. */
const usualPorts = [80, 443];
/** Ports that are open without rules: those of a rule, SSH and Git's own, by which sources come */
const openPorts = [...usualPorts, 22, 9418];
/** Shortest prefixes of networks that `--allow-private` takes, which are those of private ranges */
const shortestPrivate = { ipv4: 8, ipv6: 7 };

/** The flags that give a guest a way out */
export const egressFlag = "--network-policy egress";

/** Why something is denied. */
export interface Denial {
  /** What denies it */
  readonly rule: string;
  /** What its user can give to allow it, as flags of the command line; empty if nothing can */
  readonly howToAllow: string;
}

export type Judgement = { readonly allowed: true } | ({ readonly allowed: false } & Denial);

/** Addresses of a name as a policy judges them. */
export interface JudgedAddresses {
  /** In the order in which they were given */
  readonly allowed: readonly string[];
  /** Why the others, if there are any, must not be dialled */
  readonly denial: Denial | undefined;
}

const allowed: Judgement = { allowed: true };
const denied = (rule: string, howToAllow: string): Judgement => ({ allowed: false, rule, howToAllow });

/** Decides what a guest may reach. It knows nothing but its rules, and asks nothing. */
export class NetworkPolicy {
  readonly #hasEgress: boolean;
  readonly #allow: readonly Rule[];
  /** Whether every public host is allowed on the open ports */
  readonly #isPublic: boolean;
  readonly #deny: readonly Rule[];
  readonly #allowPrivate: readonly { readonly text: string; readonly subject: Subject }[];

  /** Fails with `invalid_argument` if a rule makes no sense. */
  constructor(rules: NetworkRules) {
    const { mode, denyHosts, allowPrivate } = rules;
    this.#hasEgress = hasEgress(mode);
    this.#allow = allowRules(rules);
    this.#isPublic = isPublic(rules, this.#allow);
    this.#deny = denyHosts.map((text) => parseRule("--deny-host", text));
    this.#allowPrivate = allowPrivate.map((text) => ({ text, subject: parsePrivate(text) }));
  }

  /** Whether a guest may learn that a name exists: it may be reached on some port. */
  judgeName(wanted: string): Judgement {
    if (!this.#hasEgress) return denied("the network policy is off", this.#openEgress(wanted, 443));
    const name = normalName(wanted);
    if (name === undefined || looksLikeAddress(name)) return denied(`'${wanted}' is no name of a host`, "");
    if (name === "localhost" || name.endsWith(".localhost")) return denied("it is the guest itself", "");
    const deny = this.#deny.find(({ subject, ports }) => ports === undefined && hasName(subject, name));
    if (deny) return denied(`--deny-host ${deny.text}`, "");
    if (this.#allow.some(({ subject }) => hasName(subject, name))) return allowed;
    if (!this.#isPublic) return denied("no --allow-host names it", `--allow-host ${name}`);
    // Without a rule such a name could mean anything in the host's own network.
    if (!name.includes(".") || name.endsWith(".local") || name.endsWith(".internal")) {
      return this.#allowPrivate.some(({ subject }) => hasName(subject, name))
        ? allowed
        : denied("it is a name of a private network", `--allow-private ${name}`);
    }
    return allowed;
  }

  /** Whether a guest may connect to a port of a host by its name. */
  judgeNamed(wanted: string, port: number): Judgement {
    const judged = this.judgeName(wanted);
    if (!judged.allowed) return judged;
    const name = normalName(wanted) ?? "";
    return this.#judgePort(name, port, ({ subject }) => hasName(subject, name));
  }

  /** Whether a guest may connect to a literal address. */
  judgeLiteral(wanted: string, port: number): Judgement {
    if (!this.#hasEgress) return denied("the network policy is off", this.#openEgress(wanted, port));
    const address = parseAddress(wanted);
    if (!address) return denied(`'${wanted}' is no address`, "");
    const isAbout = ({ subject }: { readonly subject: Subject }) => hasAddress(subject, address);
    const kind = specialKind(address);
    const isNamed = this.#allow.some((rule) => isAbout(rule) && isSpecialRule(rule));
    if (kind !== undefined && !isNamed && !this.#allowPrivate.some(isAbout)) {
      const deny = this.#deny.find((rule) => isAbout(rule) && hasPort(rule, port, undefined));
      return deny ? denied(`--deny-host ${deny.text}`, "") : denied(`${wanted} is ${kind}`, leaveFor(address));
    }
    return this.#judgePort(address.toString(), port, isAbout);
  }

  /**
   * Which addresses of a name may be dialled, on a port or on any. The caller dials one of these
   * and no other.
   */
  judgeAddresses(wanted: string, addresses: readonly string[], port?: number): JudgedAddresses {
    const name = normalName(wanted) ?? "";
    let denial: Denial | undefined;
    const good = addresses.filter((text) => {
      const reason = this.#denialOfAddress(name, text, port);
      denial ??= reason;
      return reason === undefined;
    });
    return { allowed: good, denial: good.length > 0 ? undefined : denial };
  }

  /** The `--deny-host` rule about a name; undefined if there is none. */
  deniedName(wanted: string, port: number): Denial | undefined {
    const name = normalName(wanted) ?? "";
    const deny = this.#deny.find((rule) => hasName(rule.subject, name) && hasPort(rule, port, undefined));
    return deny && { rule: `--deny-host ${deny.text}`, howToAllow: "" };
  }

  #denialOfAddress(name: string, text: string, port: number | undefined): Denial | undefined {
    const address = parseAddress(text);
    if (!address) return { rule: `its address '${text}' is none that can be judged`, howToAllow: "" };
    const isAbout = ({ subject }: { readonly subject: Subject }) => hasAddress(subject, address);
    const isDenied = (rule: Rule) => (port === undefined ? !rule.ports : hasPort(rule, port, undefined));
    const deny = this.#deny.find((rule) => isAbout(rule) && isDenied(rule));
    if (deny) return { rule: `--deny-host ${deny.text}`, howToAllow: "" };
    const kind = specialKind(address);
    if (kind === undefined || this.#allowPrivate.some(isAbout)) return undefined;
    const isLiteralOnly = needsLiteralLeave(address);
    if (!isLiteralOnly && this.#allowPrivate.some(({ subject }) => hasName(subject, name))) return undefined;
    const howToAllow = isLiteralOnly ? leaveFor(address) : `--allow-private ${name}`;
    return { rule: `its address ${text} is ${kind}`, howToAllow };
  }

  #judgePort(host: string, port: number, isAbout: (rule: Rule) => boolean): Judgement {
    const deny = this.#deny.find((rule) => isAbout(rule) && hasPort(rule, port, undefined));
    if (deny) return denied(`--deny-host ${deny.text}`, "");
    if (this.#isPublic && openPorts.includes(port)) return allowed;
    const about = this.#allow.filter(isAbout);
    if (about.some((rule) => hasPort(rule, port, usualPorts))) return allowed;
    const howToAllow = `${this.#keepPublic}--allow-host ${withPort(host, port)}`;
    if (this.#isPublic) return denied(`port ${port} is not open without a rule`, howToAllow);
    return denied(
      about.length === 0 ? "no --allow-host names it" : `no --allow-host names its port ${port}`,
      howToAllow,
    );
  }

  /** Without it the first rule would take away what is allowed without rules. */
  get #keepPublic(): string {
    return this.#isPublic ? `--allow ${publicPreset} ` : "";
  }

  #openEgress(host: string, port: number): string {
    const isUsual = this.#isPublic && openPorts.includes(port);
    return `${egressFlag}${isUsual ? "" : ` ${this.#keepPublic}--allow-host ${withPort(host, port)}`}`;
  }
}

function hasAddress(subject: Subject, address: IPv4 | IPv6): boolean {
  return subject.kind === "network" && contains(subject.network, address);
}

/** Whether a rule names special addresses on purpose: all of its addresses are special. */
function isSpecialRule({ subject }: Rule): boolean {
  return subject.kind === "network" && isAllSpecial(subject.network);
}

function leaveFor(address: IPv4 | IPv6): string {
  return `--allow-private ${address.toString()}`;
}

function withPort(host: string, port: number): string {
  if (usualPorts.includes(port)) return host;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function rulesOf(wanted: string): readonly string[] {
  const preset = presets.find(({ name }) => name === wanted);
  if (preset) return preset.rules;
  throw new PyroError("invalid_argument", `cannot use --allow '${wanted}': there is no such preset`, {
    hint: `Give one of ${presets.map(({ name }) => name).join(", ")}, or --allow-host with a host.`,
  });
}

function parsePrivate(text: string): Subject {
  const subject = parseSubject("--allow-private", text);
  if (subject.kind !== "network") return subject;
  const { address, bits } = subject.network;
  if (bits >= shortestPrivate[address.kind()]) return subject;
  throw new PyroError("invalid_argument", `cannot use --allow-private '${text}': it is too much of the network`, {
    hint: "Give the networks that are meant, such as 10.0.0.0/8.",
  });
}

/** Whether one policy allows no more than another. It may say no although it does. */
export function isWithin(wanted: NetworkRules, ceiling: NetworkRules): boolean {
  if (!isModeWithin(wanted.mode, ceiling.mode)) return false;
  const denies = ceiling.denyHosts.every((text) => wanted.denyHosts.includes(text));
  const privates = wanted.allowPrivate
    .map(parsePrivate)
    .every((inner) => ceiling.allowPrivate.map(parsePrivate).some((outer) => coversSubject(outer, inner)));
  return denies && privates && areHostsWithin(wanted, ceiling);
}

function isModeWithin(wanted: string, ceiling: string): boolean {
  const parts = (mode: string) => (mode === "off" ? [] : mode.split("+"));
  return parts(wanted).every((part) => parts(ceiling).includes(part));
}

function areHostsWithin(wanted: NetworkRules, ceiling: NetworkRules): boolean {
  if (!hasEgress(wanted.mode)) return true;
  const [inner, outer] = [allowRules(wanted), allowRules(ceiling)];
  const isOuterPublic = isPublic(ceiling, outer);
  if (isPublic(wanted, inner) && !isOuterPublic) return false;
  return inner.every(
    (rule) => (isOuterPublic && isOpenByDefault(rule)) || outer.some((wider) => coversRule(wider, rule)),
  );
}

function allowRules({ allowHosts, presets: wanted }: NetworkRules): readonly Rule[] {
  return [...allowHosts, ...wanted.flatMap(rulesOf)].map((text) => parseRule("--allow-host", text));
}

/** Whether every public host is allowed on the open ports. */
function isPublic({ presets: wanted }: NetworkRules, rules: readonly Rule[]): boolean {
  return wanted.includes(publicPreset) || (rules.length === 0 && wanted.length === 0);
}

function isOpenByDefault({ subject, ports }: Rule): boolean {
  const range = ports ?? { from: 80, to: 80 };
  const isOpen = range.from === range.to && openPorts.includes(range.from);
  if (subject.kind === "network") return isOpen && !isAllSpecial(subject.network);
  const isPrivate = !subject.name.includes(".") || /\.(?:local|internal)$/.test(subject.name);
  return isOpen && !isPrivate;
}

function coversRule(outer: Rule, inner: Rule): boolean {
  const rangesOf = ({ ports }: Rule) => (ports ? [ports] : usualPorts.map((port) => ({ from: port, to: port })));
  const portsCovered = rangesOf(inner).every(({ from, to }) =>
    rangesOf(outer).some((range) => range.from <= from && range.to >= to),
  );
  return portsCovered && coversSubject(outer.subject, inner.subject);
}
