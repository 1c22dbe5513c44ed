import { type Address, bitsOf, containsNetwork, halvesOf, type Network, networkOf, parseNetwork } from "./address.ts";

/**
 * Addresses that are no public hosts, after IANA's registries:
 * https://www.iana.org/assignments/iana-ipv4-special-registry
 * https://www.iana.org/assignments/iana-ipv6-special-registry
 * https://www.iana.org/assignments/ipv6-address-space
 * Metadata services of clouds are in no registry. They give credentials to any client.
 */
export const addressKinds = {
  private: { words: "private", byName: true, canBeDialled: true },
  shared: { words: "in the address space that carriers share", byName: true, canBeDialled: true },
  documentation: { words: "reserved for documentation", byName: true, canBeDialled: true },
  benchmark: { words: "reserved for benchmarks", byName: true, canBeDialled: true },
  reserved: { words: "reserved", byName: true, canBeDialled: true },
  loopback: { words: "loopback", byName: false, canBeDialled: true },
  "link-local": { words: "link-local", byName: false, canBeDialled: true },
  metadata: { words: "a metadata service of a cloud", byName: false, canBeDialled: true },
  protocol: { words: "reserved for protocols", byName: false, canBeDialled: true },
  tunnel: { words: "the address of a tunnel", byName: false, canBeDialled: true },
  unassigned: { words: "not a public address", byName: false, canBeDialled: true },
  unspecified: { words: "unspecified", byName: false, canBeDialled: false },
  multicast: { words: "multicast", byName: false, canBeDialled: false },
  broadcast: { words: "broadcast", byName: false, canBeDialled: false },
  discard: { words: "discarded on the way", byName: false, canBeDialled: false },
} as const satisfies Readonly<Record<string, KindTraits>>;

interface KindTraits {
  /** What follows "ADDRESS is" */
  readonly words: string;
  /** Whether leave for a name covers it; otherwise only leave for the address does */
  readonly byName: boolean;
  /** Whether TCP can reach it at all */
  readonly canBeDialled: boolean;
}

export type AddressKind = keyof typeof addressKinds;

const table: readonly (readonly [AddressKind, string])[] = [
  ["unspecified", "0.0.0.0/8"],
  ["private", "10.0.0.0/8"],
  ["shared", "100.64.0.0/10"],
  // Alibaba Cloud
  ["metadata", "100.100.100.200/32"],
  ["loopback", "127.0.0.0/8"],
  // Azure, inside of a public network
  ["metadata", "168.63.129.16/32"],
  ["link-local", "169.254.0.0/16"],
  ["metadata", "169.254.169.254/32"],
  ["private", "172.16.0.0/12"],
  ["protocol", "192.0.0.0/24"],
  // Oracle Cloud
  ["metadata", "192.0.0.192/32"],
  ["documentation", "192.0.2.0/24"],
  // Relays of 6to4
  ["tunnel", "192.88.99.0/24"],
  ["private", "192.168.0.0/16"],
  ["benchmark", "198.18.0.0/15"],
  ["documentation", "198.51.100.0/24"],
  ["documentation", "203.0.113.0/24"],
  ["multicast", "224.0.0.0/4"],
  ["reserved", "240.0.0.0/4"],
  ["broadcast", "255.255.255.255/32"],
  // Of IPv6, 2000::/3 alone is public.
  ["unassigned", "::/3"],
  ["unassigned", "4000::/2"],
  ["unassigned", "8000::/1"],
  // IPv4-compatible addresses, deprecated
  ["tunnel", "::/96"],
  ["unspecified", "::/128"],
  ["loopback", "::1/128"],
  // NAT64 of a local network; where the IPv4 address is in it, only that network knows.
  ["tunnel", "64:ff9b:1::/48"],
  ["discard", "100::/64"],
  // Among them benchmarks (2001:2::/48) and ORCHID (2001:10::/28, 2001:20::/28)
  ["protocol", "2001::/23"],
  // Teredo
  ["tunnel", "2001::/32"],
  ["documentation", "2001:db8::/32"],
  ["documentation", "3fff::/20"],
  // Segment routing
  ["protocol", "5f00::/16"],
  ["private", "fc00::/7"],
  // Amazon's services inside of its cloud, its metadata service at ::254
  ["metadata", "fd00:ec2::/32"],
  // Google, Oracle, Scaleway
  ["metadata", "fd20:ce::254/128"],
  ["metadata", "fd00:c1::a9fe:a9fe/128"],
  ["metadata", "fd00:42::42/128"],
  ["link-local", "fe80::/10"],
  // Site-local, deprecated
  ["private", "fec0::/10"],
  ["multicast", "ff00::/8"],
];

const network = (text: string): Network => {
  const parsed = parseNetwork(text);
  if (!parsed) throw new TypeError(`'${text}' is no network`);
  return parsed;
};

/** The longest prefix first, so the first match is the closest one */
const specialNetworks = table
  .map(([kind, text]) => ({ kind, network: network(text) }))
  .toSorted((a, b) => b.network.prefix - a.network.prefix);

/** Networks whose addresses lead to an IPv4 address that is in them, after so many bits */
const embedding = [
  // NAT64
  { network: network("64:ff9b::/96"), offset: 96 },
  // 6to4
  { network: network("2002::/16"), offset: 16 },
] as const;

/** The kind of an address that is not public; an IPv4 address in it decides, if there is one. */
export function kindOf(address: Address): AddressKind | undefined {
  return kindOfNetwork(embeddedIn(networkOf(address)) ?? networkOf(address));
}

/** All that a connection to an address may reach: itself, and the IPv4 address in it. */
export function readingsOf(address: Address): readonly Network[] {
  const own = networkOf(address);
  const embedded = embeddedIn(own);
  return embedded ? [own, embedded] : [own];
}

/** Whether no address of a network is public. */
export function isEntirelySpecial(wanted: Network): boolean {
  const inner = embeddedIn(wanted);
  if (inner) return isEntirelySpecial(inner);
  const isInside = ({ network: other }: { network: Network }) =>
    other.prefix > wanted.prefix && containsNetwork(wanted, other);
  const mayBePublicInside = embedding.some(isInside);
  if (!mayBePublicInside && kindOfNetwork(wanted)) return true;
  if (!mayBePublicInside && !specialNetworks.some(isInside)) return false;
  return halvesOf(wanted).every(isEntirelySpecial);
}

/** The kind of the closest special network around a network. */
function kindOfNetwork(inner: Network): AddressKind | undefined {
  return specialNetworks.find(({ network: outer }) => containsNetwork(outer, inner))?.kind;
}

/** The IPv4 network that is in an IPv6 network, if all of it leads there. */
function embeddedIn(inner: Network): Network | undefined {
  const found = embedding.find(({ network: outer }) => containsNetwork(outer, inner));
  if (!found) return undefined;
  const after = bitsOf(6) - found.offset - 32;
  const base = (inner.base >> BigInt(after)) & 0xffff_ffffn;
  return { family: 4, base, prefix: Math.min(32, inner.prefix - found.offset) };
}
