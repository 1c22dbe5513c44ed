import ipaddr, { type IPv4, type IPv6 } from "ipaddr.js";

/** An address range: all addresses that begin as this one does, for so many bits. */
export interface Network {
  readonly address: IPv4 | IPv6;
  readonly bits: number;
}

/** Global unicast addresses of IPv6 (RFC 4291, section 2.4). The others mean something special */
const globalIPv6: Network = { address: ipaddr.IPv6.parse("2000::"), bits: 3 };

/** Addresses by which clouds tell their machines secrets, beside those of 169.254.0.0/16 */
const metadataAddresses = ["fd00:ec2::254", "fd20:ce::254", "100.100.100.200"].map(ipaddr.parse);

/** An address in its only form: one of IPv4 that is written as IPv6 becomes what it is. */
export function parseAddress(text: string): IPv4 | IPv6 | undefined {
  // A zone such as `%eth0` is a part of the host, so such an address is none that a guest may name.
  if (text.includes("%") || !isAddress(text)) return undefined;
  const address = ipaddr.parse(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function isAddress(text: string): boolean {
  return text.includes(":") ? ipaddr.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** A network in CIDR form, or one address; undefined if it is neither. */
export function parseNetwork(text: string): Network | undefined {
  const address = parseAddress(text);
  if (address) return { address, bits: address instanceof ipaddr.IPv4 ? 32 : 128 };
  const [base = ""] = text.split("/", 1);
  if (!text.includes("/") || text.includes("%") || !isAddress(base)) return undefined;
  try {
    const [network, bits] = ipaddr.parseCIDR(text);
    return { address: network, bits };
  } catch {
    return undefined;
  }
}

export function contains({ address, bits }: Network, other: IPv4 | IPv6): boolean {
  return address.kind() === other.kind() && other.match(address as never, bits);
}

/** Whether all of the inner network is in the outer one. */
export function covers(outer: Network, inner: Network): boolean {
  return inner.bits >= outer.bits && contains(outer, inner.address);
}

/**
 * What an address is if it is not public, as the registries of special-purpose addresses have it
 * (RFC 6890); undefined for a public one. An address that carries one of IPv4 is never public: what
 * it leads to depends on the network.
 */
export function specialKind(address: IPv4 | IPv6): string | undefined {
  const range = address.range();
  if (range === "unicast" && (address instanceof ipaddr.IPv4 || contains(globalIPv6, address))) return undefined;
  return kindNames[range] ?? "a special-purpose address";
}

const kindNames: Readonly<Record<string, string>> = {
  loopback: "a loopback address",
  private: "a private address",
  uniqueLocal: "a private address",
  linkLocal: "a link-local or metadata address",
  carrierGradeNat: "a shared address of a provider",
  multicast: "a multicast address",
  broadcast: "the broadcast address",
  unspecified: "an unspecified address",
  rfc6052: "a NAT64 address",
  "6to4": "a 6to4 address",
  teredo: "a Teredo address",
};

/**
 * Whether only its literal form may lead to an address: the host's own servers and a cloud's
 * secrets. A name that means one of them is either a mistake or an attack.
 */
export function needsLiteralLeave(address: IPv4 | IPv6): boolean {
  const range = address.range();
  const isMetadata = metadataAddresses.some(
    (known) => known.kind() === address.kind() && known.toString() === address.toString(),
  );
  const isLocal = ["loopback", "linkLocal", "unspecified", "multicast", "broadcast"].includes(range);
  // An address with one of IPv4 in it may lead to any of these.
  const isCarrier = ["rfc6052", "6to4", "teredo", "ipv4Mapped", "rfc6145"].includes(range);
  return isMetadata || isLocal || isCarrier || (address instanceof ipaddr.IPv6 && range === "unicast");
}

/** Whether no address of a network is public. */
export function isAllSpecial({ address, bits }: Network): boolean {
  const kinds = address instanceof ipaddr.IPv4 ? ipaddr.IPv4 : ipaddr.IPv6;
  const base = `${address.toString()}/${bits}`;
  const first = kinds.networkAddressFromCIDR(base);
  const last = kinds.broadcastAddressFromCIDR(base);
  // A special range has no public address between two of its own.
  return specialKind(first) !== undefined && first.range() === last.range() && specialKind(last) !== undefined;
}
