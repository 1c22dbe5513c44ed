import { domainToASCII } from "node:url";

const maxNameLength = 253;
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/**
 * A host name in the form that rules are compared with: lower case, punycode, no dot at the end.
 * Undefined if it is none.
 */
export function hostName(text: string): string | undefined {
  // Longer than any name in any writing, so that nothing long is taken apart.
  if (text.length > 4 * maxNameLength) return undefined;
  const name = asciiOf(text)?.toLowerCase().replace(/\.$/, "");
  if (name === undefined || name.length > maxNameLength) return undefined;
  return name.split(".").every((part) => label.test(part)) ? name : undefined;
}

function asciiOf(text: string): string | undefined {
  if (/^[\w.-]*$/.test(text)) return text;
  // The conversion would also decode percent signs and cut off a path.
  return /^[\w.\-\u0080-\u{10ffff}]*$/u.test(text) ? domainToASCII(text) : undefined;
}

/**
 * Whether a resolver would read a name as an address: `127.1`, `0x7f.1`, `2130706433`. WHATWG's URL
 * standard calls this "ends in a number".
 */
export function endsInNumber(name: string): boolean {
  return /(?:^|\.)(?:\d+|0x[\da-f]*)$/.test(name);
}

export function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

/** Whether the internet can know a name; other names mean what the host's own network says. */
export function isPublicName(name: string): boolean {
  return name.includes(".") && name !== "local" && !name.endsWith(".local");
}

/** `NAME`, or `*.NAME` for every name below it. */
export interface NamePattern {
  readonly name: string;
  readonly isBelow: boolean;
}

export function matchesName(pattern: NamePattern, name: string): boolean {
  return pattern.isBelow ? name.endsWith(`.${pattern.name}`) : name === pattern.name;
}

/** Whether every name of one pattern is one of another. */
export function containsPattern(outer: NamePattern, inner: NamePattern): boolean {
  if (!inner.isBelow) return matchesName(outer, inner.name);
  return outer.isBelow && (inner.name === outer.name || matchesName(outer, inner.name));
}
