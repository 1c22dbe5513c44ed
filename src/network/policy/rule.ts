import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { PyroError } from "../../core/errors.ts";
import { covers, type Network, parseNetwork } from "./address.ts";

/** What a rule is about: a name, all names below one, or a network. */
export type Subject =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "below"; readonly name: string }
  | { readonly kind: "network"; readonly network: Network };

/** Ports from the first to the last one. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface Rule {
  /** As the user has written it */
  readonly text: string;
  readonly subject: Subject;
  /** undefined: none are named */
  readonly ports: PortRange | undefined;
}

const maxPort = 65_535;
const maxNameLength = 253;
const labelForm = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Reads `NAME`, `*.NAME`, an address or a network, each with `:PORT`, `:FROM-TO` or none. */
export function parseRule(flag: string, text: string): Rule {
  const { subject, ports } = split(flag, text);
  return {
    text,
    subject: parseSubject(flag, text, subject),
    ports: ports === undefined ? undefined : parsePorts(flag, text, ports),
  };
}

/** Reads a subject that has no ports. */
export function parseSubject(flag: string, text: string, subject = text): Subject {
  const network = parseNetwork(subject);
  if (network) return { kind: "network", network };
  if (/^\w+:\/\//.test(text)) throw bad(flag, text, "it is a URL", "Give only its host, with `:PORT` if it has one.");
  if (subject === "*")
    throw bad(flag, text, "it means every name", "Leave it out: without rules all names are allowed.");
  const isBelow = subject.startsWith("*.");
  const name = normalName(isBelow ? subject.slice(2) : subject);
  if (name === undefined) {
    throw bad(
      flag,
      text,
      "it is no name, address or network",
      "Give one such as example.com, *.example.com or 10.1.0.0/16.",
    );
  }
  if (looksLikeAddress(name)) {
    throw bad(flag, text, "it is an address in another form", "Give it as four numbers, such as 10.1.2.3.");
  }
  return { kind: isBelow ? "below" : "name", name };
}

function split(flag: string, text: string): { readonly subject: string; readonly ports: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed) {
    const [, subject = "", ports] = bracketed;
    if (!subject.includes(":")) throw bad(flag, text, "only an IPv6 address has brackets", "Leave them out.");
    return { subject, ports };
  }
  // More than one colon is an IPv6 address without ports.
  const [subject = "", ports, ...more] = text.split(":");
  if (more.length > 0) return { subject: text, ports: undefined };
  return { subject, ports };
}

function parsePorts(flag: string, text: string, ports: string): PortRange {
  const [, from = "", to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports) ?? [];
  const range = { from: Number(from), to: Number(to) };
  if (from !== "" && range.from >= 1 && range.to <= maxPort && range.from <= range.to) return range;
  throw bad(flag, text, `'${ports}' is no port`, `Give a number from 1 to ${maxPort}, or two with - between them.`);
}

/**
 * A name as rules and guests have it: lower case, without the last dot; undefined if it is none.
 */
export function normalName(text: string): string | undefined {
  const ascii = domainToASCII(text.replace(/\.$/, "").replaceAll("_", "a")) === "" ? "" : inAscii(text);
  const name = ascii.toLowerCase().replace(/\.$/, "");
  const isName = name.length <= maxNameLength && name.split(".").every((label) => labelForm.test(label));
  return isName ? name : undefined;
}

/** The WHATWG's form of a name, which has no underscore. */
function inAscii(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) ? text : domainToASCII(text);
}

/**
 * Whether a resolver takes a name for an address: 127.1, 0x7f.1 and 2130706433 are forms of
 * 127.0.0.1 (inet_aton(3)), and the WHATWG calls every name an address whose last label is a
 * number.
 */
export function looksLikeAddress(name: string): boolean {
  const last = name.split(".").at(-1) ?? "";
  return isIPv6(name) || /^(?:\d+|0x[0-9a-f]*)$/.test(last);
}

export function hasPort({ ports }: Rule, port: number, usual: readonly number[] | undefined): boolean {
  if (ports) return port >= ports.from && port <= ports.to;
  return usual === undefined || usual.includes(port);
}

export function hasName(subject: Subject, name: string): boolean {
  if (subject.kind === "name") return subject.name === name;
  return subject.kind === "below" && name.endsWith(`.${subject.name}`);
}

/** Whether everything that the inner subject means is meant by the outer one. */
export function coversSubject(outer: Subject, inner: Subject): boolean {
  if (outer.kind === "network") return inner.kind === "network" && covers(outer.network, inner.network);
  if (inner.kind === "network") return false;
  if (outer.kind === "name") return inner.kind === "name" && inner.name === outer.name;
  const isSame = inner.kind === "below" && inner.name === outer.name;
  return isSame || inner.name.endsWith(`.${outer.name}`);
}

function bad(flag: string, text: string, why: string, hint: string): PyroError {
  return new PyroError("invalid_argument", `cannot use ${flag} '${text}': ${why}`, { hint });
}
