import { isIP } from "node:net";

/**
 * IP addresses and networks as numbers. `net.isIP` decides what is an address, and refuses every
 * spelling but the usual one. `net.BlockList` would not do: rules are compared with each other too.
 */

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

export interface Network {
  readonly family: Family;
  /** Its first address */
  readonly base: bigint;
  /** Length of the prefix, in bits */
  readonly prefix: number;
}

const mappedPrefix = 96;
const mappedBase = 0xffffn << 32n;

export const bitsOf = (family: Family) => (family === 4 ? 32 : 128);

/** An address; one mapped into IPv6 is the IPv4 address that a connection to it reaches. */
export function parseAddress(text: string): Address | undefined {
  const family = isIP(text);
  if (family === 4) return { family, value: valueOf4(text) };
  // A zone names an interface of this host.
  if (family !== 6 || text.includes("%")) return undefined;
  const network = unmapped({ family, base: valueOf6(text), prefix: 128 });
  return { family: network.family, value: network.base };
}

/** Reads `ADDRESS/PREFIX`, with the bits after the prefix as they are; undefined if it is none. */
export function parseNetwork(text: string): Network | undefined {
  const [, addressText = "", prefixText = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(addressText);
  const prefix = Number(prefixText);
  if ((family !== 4 && family !== 6) || addressText.includes("%") || prefix > bitsOf(family)) return undefined;
  return unmapped({ family, base: family === 4 ? valueOf4(addressText) : valueOf6(addressText), prefix });
}

export function networkOf({ family, value }: Address): Network {
  return { family, base: value, prefix: bitsOf(family) };
}

/** The network with the bits after its prefix cleared. */
export function withoutHostBits({ family, base, prefix }: Network): Network {
  const hostBits = BigInt(bitsOf(family) - prefix);
  return { family, base: (base >> hostBits) << hostBits, prefix };
}

export function containsNetwork(outer: Network, inner: Network): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  const hostBits = BigInt(bitsOf(outer.family) - outer.prefix);
  return outer.base >> hostBits === inner.base >> hostBits;
}

export function containsAddress(network: Network, address: Address): boolean {
  return containsNetwork(network, networkOf(address));
}

/** The two halves of a network of more than one address. */
export function halvesOf({ family, base, prefix }: Network): readonly [Network, Network] {
  const half = 1n << BigInt(bitsOf(family) - prefix - 1);
  return [
    { family, base, prefix: prefix + 1 },
    { family, base: base + half, prefix: prefix + 1 },
  ];
}

export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  // A URL writes an address in the shortest way, as RFC 5952 asks.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

export function formatNetwork({ family, base, prefix }: Network): string {
  const address = formatAddress({ family, value: base });
  return prefix === bitsOf(family) ? address : `${address}/${prefix}`;
}

function unmapped(network: Network): Network {
  const { family, base, prefix } = network;
  if (family === 4 || prefix < mappedPrefix || base >> 32n !== mappedBase >> 32n) return network;
  return { family: 4, base: base & 0xffff_ffffn, prefix: prefix - mappedPrefix };
}

function valueOf4(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function valueOf6(text: string): bigint {
  const hex = text.replace(/[\d.]+$/, (tail) => {
    if (!tail.includes(".")) return tail;
    const value = valueOf4(tail);
    return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  });
  const [head = "", tail] = hex.split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
