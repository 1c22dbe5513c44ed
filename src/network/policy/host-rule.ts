import { PyroError } from "../../core/errors.ts";
import { hostAndPort } from "../host-port.ts";
import {
  type Address,
  containsAddress,
  containsNetwork,
  formatNetwork,
  type Network,
  networkOf,
  parseAddress,
  parseNetwork,
  withoutHostBits,
} from "./address.ts";
import { containsPattern, endsInNumber, hostName, isLocalhost, matchesName, type NamePattern } from "./name.ts";
import { allPorts, maxPort, type Ports, webPorts } from "./ports.ts";
import { isEntirelySpecial } from "./special.ts";

export type Target =
  | { readonly kind: "name"; readonly pattern: NamePattern }
  | { readonly kind: "network"; readonly network: Network };

export interface HostRule {
  /** As the user wrote it */
  readonly text: string;
  readonly target: Target;
  readonly ports: Ports;
  /** Whether it is leave for special addresses, because it names no public one */
  readonly isLeave: boolean;
}

/** What a rule does, as the verb of its error */
export type RuleUse = "allow host" | "deny host" | "allow private destination";

export function ruleMatchesName({ target }: HostRule, name: string): boolean {
  return target.kind === "name" && matchesName(target.pattern, name);
}

export function ruleMatchesNetwork({ target }: HostRule, inner: Network): boolean {
  return target.kind === "network" && containsNetwork(target.network, inner);
}

export function ruleMatchesAddress({ target }: HostRule, address: Address): boolean {
  return target.kind === "network" && containsAddress(target.network, address);
}

/** Whether all that one target means, another means too. */
export function containsTarget(outer: Target, inner: Target): boolean {
  if (outer.kind === "name") return inner.kind === "name" && containsPattern(outer.pattern, inner.pattern);
  return inner.kind === "network" && containsNetwork(outer.network, inner.network);
}

/** The rule for one name or address and, unless it is one of the web's, one port. */
export function formatRule(host: string, port?: number): string {
  if (port === undefined || port === 80 || port === 443) return host;
  return hostAndPort(host, port);
}

/** Reads `TARGET`, `TARGET:PORT` or `TARGET:FROM-TO`; throws if it is no rule for this use. */
export function parseHostRule(text: string, use: RuleUse): HostRule {
  const refuse: Refuse = (reason, hint) => {
    throw new PyroError("invalid_argument", `cannot ${use} '${excerpt(text)}': ${reason}`, { hint });
  };
  refuseOddText(text, use, refuse);
  const { host, portText } = splitPort(text, refuse);
  const target = parseTarget(host, refuse);
  if (use !== "deny host") refuseLocalhost(target, refuse);
  if (use === "allow private destination") {
    if (portText !== undefined) refuse("it names a port", `Write ${excerpt(host)}, which is for all allowed ports.`);
    if (target.kind === "network") refuseWide(target.network, refuse);
  }
  const defaultPorts = use === "allow host" ? webPorts : allPorts;
  return {
    text,
    target,
    ports: portText === undefined ? defaultPorts : parsePorts(portText, refuse),
    isLeave: target.kind === "network" && isEntirelySpecial(target.network),
  };
}

type Refuse = (reason: string, hint: string) => never;

const targetForms = "NAME, *.NAME, an address or a network such as 10.0.0.0/8";
const ruleForms = `Write ${targetForms}, with :PORT or :FROM-TO after it if need be.`;

function refuseOddText(text: string, use: RuleUse, refuse: Refuse): void {
  if (text === "") refuse("it is empty", ruleForms);
  if (text !== text.trim()) refuse("it begins or ends with white space", `Write '${excerpt(text.trim())}'.`);
  if (/[,\s]/.test(text)) refuse("it has a comma or white space in it", "Give each host a rule of its own.");
  const [, afterScheme] = /^[a-z][a-z\d+.-]*:\/\/(.*)$/i.exec(text) ?? [];
  if (afterScheme !== undefined) {
    const [authority = ""] = afterScheme.split(/[/?#]/);
    refuse("it is a URL", `Write its host alone: ${excerpt(authority.replace(/^.*@/, "")) || "NAME"}.`);
  }
  if (/^(?:\*|\*\.|\*:.*)$/.test(text)) refuse("it means every host", everyHostHints[use]);
}

const everyHostHints: Readonly<Record<RuleUse, string>> = {
  "allow host": "Name no allowed hosts and no presets, and egress is to the whole public internet.",
  "deny host": "Choose the network policy off, which denies every host.",
  "allow private destination": "Name the hosts or networks that are meant.",
};

function splitPort(text: string, refuse: Refuse): { host: string; portText: string | undefined } {
  if (text.startsWith("[")) {
    const [, host, portText] = /^\[([^[\]]*)\](?::(.*))?$/.exec(text) ?? [];
    if (host === undefined) {
      return refuse("its brackets do not enclose an address", "Write [ADDRESS]:PORT, such as [2001:db8::1]:443.");
    }
    if (!host.includes(":")) refuse("brackets are for IPv6 addresses", `Write it without them: ${excerpt(host)}.`);
    return { host, portText };
  }
  const [host = "", portText, ...more] = text.split(":");
  return more.length > 0 ? { host: text, portText: undefined } : { host, portText };
}

function parseTarget(host: string, refuse: Refuse): Target {
  if (host.includes("%")) refuse("an address with a zone is never allowed", "Write the address without its zone.");
  const address = parseAddress(host);
  if (address) return { kind: "network", network: networkOf(address) };
  if (host.includes("/")) return { kind: "network", network: parseWholeNetwork(host, refuse) };
  if (host.includes(":")) refuse("it is not an IPv6 address", "Write ADDRESS, or [ADDRESS]:PORT if it has a port.");
  return { kind: "name", pattern: parsePattern(host, refuse) };
}

const networkForms = "Write ADDRESS/PREFIX, such as 10.0.0.0/8, or [ADDRESS/PREFIX]:PORT for IPv6 with a port.";

function parseWholeNetwork(text: string, refuse: Refuse): Network {
  const network = parseNetwork(text);
  if (!network) {
    const [host = ""] = text.split("/");
    return hostName(host) === undefined || parseAddress(host) || endsInNumber(host)
      ? refuse("it is not a network", networkForms)
      : refuse("it has a path, and rules are for whole hosts", `Write ${excerpt(host)}.`);
  }
  const whole = withoutHostBits(network);
  if (whole.base !== network.base) {
    refuse(
      "the address is inside of the network and not its first",
      `Write ${formatNetwork(whole)} for all of it, or the address alone.`,
    );
  }
  return whole;
}

function parsePattern(host: string, refuse: Refuse): NamePattern {
  const isBelow = host.startsWith("*.");
  const nameText = isBelow ? host.slice(2) : host;
  if (nameText.includes("*")) refuse("a * can only be all of the first label", "Write NAME or *.NAME.");
  if (nameText.startsWith(".")) refuse("it begins with a dot", `Write *${excerpt(nameText)} for all names below it.`);
  const name = hostName(nameText);
  if (name === undefined) return refuse("it is not a host name, an address or a network", ruleForms);
  if (endsInNumber(name)) {
    refuse(
      "its last label is a number, so resolvers would read it as an address",
      "Write the address as four decimal numbers, such as 192.0.2.1.",
    );
  }
  return { name, isBelow };
}

function refuseLocalhost(target: Target, refuse: Refuse): void {
  if (target.kind === "name" && isLocalhost(target.pattern.name)) {
    refuse("this host's loopback is never reached by name", "Name the address, such as 127.0.0.1.");
  }
}

/** A network of this size is no destination but most of the address space. */
const minPrefix = { 4: 8, 6: 16 } as const;

function refuseWide({ family, prefix }: Network, refuse: Refuse): void {
  if (prefix < minPrefix[family]) {
    refuse(`it is wider than /${minPrefix[family]}`, "Name only the networks that are meant, such as 10.0.0.0/8.");
  }
}

function parsePorts(text: string, refuse: Refuse): Ports {
  const [, fromText, toText = fromText] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(text) ?? [];
  const range = { from: Number(fromText), to: Number(toText) };
  if (fromText === undefined) refuse("its port is not a number or a range", "Write :PORT or :FROM-TO, such as :8080.");
  if (range.from < 1 || range.to < 1 || range.from > maxPort || range.to > maxPort) {
    refuse("its port is out of range", `Write a port from 1 to ${maxPort}.`);
  }
  if (range.from > range.to) refuse("its range of ports is the wrong way round", `Write :${range.to}-${range.from}.`);
  return [range];
}

/** A user's text in a message: not long, and without what moves a terminal's cursor. */
export function excerpt(text: string): string {
  const odd = /[\p{C}\p{Zl}\p{Zp}]/gu;
  const shown = text.replaceAll(odd, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}
