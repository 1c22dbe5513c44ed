import { describe, expect, test } from "vitest";
import { formatNetwork, parseAddress, parseNetwork, withoutHostBits } from "../../../../src/network/policy/address.ts";
import { type AddressKind, addressKinds, isEntirelySpecial, kindOf } from "../../../../src/network/policy/special.ts";

const kind = (text: string) => {
  const address = parseAddress(text);
  if (!address) throw new TypeError(text);
  return kindOf(address) ?? "public";
};

type Kind = AddressKind | "public";

/** Of each special network: the address before, its first, its last, the address after */
const edges: readonly (readonly [
  Kind,
  before: readonly [string, Kind],
  string,
  string,
  after: readonly [string, Kind],
])[] = [
  ["unspecified", ["1.0.0.0", "public"], "0.0.0.0", "0.255.255.255", ["1.0.0.0", "public"]],
  ["private", ["9.255.255.255", "public"], "10.0.0.0", "10.255.255.255", ["11.0.0.0", "public"]],
  ["shared", ["100.63.255.255", "public"], "100.64.0.0", "100.127.255.255", ["100.128.0.0", "public"]],
  ["metadata", ["100.100.100.199", "shared"], "100.100.100.200", "100.100.100.200", ["100.100.100.201", "shared"]],
  ["loopback", ["126.255.255.255", "public"], "127.0.0.0", "127.255.255.255", ["128.0.0.0", "public"]],
  ["metadata", ["168.63.129.15", "public"], "168.63.129.16", "168.63.129.16", ["168.63.129.17", "public"]],
  ["link-local", ["169.253.255.255", "public"], "169.254.0.0", "169.254.255.255", ["169.255.0.0", "public"]],
  [
    "metadata",
    ["169.254.169.253", "link-local"],
    "169.254.169.254",
    "169.254.169.254",
    ["169.254.169.255", "link-local"],
  ],
  ["private", ["172.15.255.255", "public"], "172.16.0.0", "172.31.255.255", ["172.32.0.0", "public"]],
  ["protocol", ["191.255.255.255", "public"], "192.0.0.0", "192.0.0.255", ["192.0.1.0", "public"]],
  ["metadata", ["192.0.0.191", "protocol"], "192.0.0.192", "192.0.0.192", ["192.0.0.193", "protocol"]],
  ["documentation", ["192.0.1.255", "public"], "192.0.2.0", "192.0.2.255", ["192.0.3.0", "public"]],
  ["tunnel", ["192.88.98.255", "public"], "192.88.99.0", "192.88.99.255", ["192.88.100.0", "public"]],
  ["private", ["192.167.255.255", "public"], "192.168.0.0", "192.168.255.255", ["192.169.0.0", "public"]],
  ["benchmark", ["198.17.255.255", "public"], "198.18.0.0", "198.19.255.255", ["198.20.0.0", "public"]],
  ["documentation", ["198.51.99.255", "public"], "198.51.100.0", "198.51.100.255", ["198.51.101.0", "public"]],
  ["documentation", ["203.0.112.255", "public"], "203.0.113.0", "203.0.113.255", ["203.0.114.0", "public"]],
  ["multicast", ["223.255.255.255", "public"], "224.0.0.0", "239.255.255.255", ["240.0.0.0", "reserved"]],
  ["reserved", ["239.255.255.255", "multicast"], "240.0.0.0", "255.255.255.254", ["255.255.255.255", "broadcast"]],
  ["unspecified", ["::1", "loopback"], "::", "::", ["::1", "loopback"]],
  ["loopback", ["::", "unspecified"], "::1", "::1", ["::2", "tunnel"]],
  ["tunnel", ["::1", "loopback"], "::2", "::ffff:ffff", ["::1:0:0", "unassigned"]],
  [
    "unassigned",
    ["64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "unassigned"],
    "64:ff9b:0:0:0:1::",
    "64:ff9b:0:ffff:ffff:ffff:ffff:ffff",
    ["64:ff9b:1::", "tunnel"],
  ],
  [
    "tunnel",
    ["64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "unassigned"],
    "64:ff9b:1::",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    ["64:ff9b:2::", "unassigned"],
  ],
  [
    "discard",
    ["ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unassigned"],
    "100::",
    "100::ffff:ffff:ffff:ffff",
    ["100:0:0:1::", "unassigned"],
  ],
  ["unassigned", ["::1:0:0", "unassigned"], "200::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["2000::", "public"]],
  [
    "tunnel",
    ["2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "public"],
    "2001::",
    "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
    ["2001:1::", "protocol"],
  ],
  [
    "protocol",
    ["2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "tunnel"],
    "2001:1::",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["2001:200::", "public"],
  ],
  [
    "protocol",
    ["2001:f:ffff:ffff:ffff:ffff:ffff:ffff", "protocol"],
    "2001:10::",
    "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
    ["2001:30::", "protocol"],
  ],
  [
    "documentation",
    ["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "public"],
    "2001:db8::",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    ["2001:db9::", "public"],
  ],
  [
    "documentation",
    ["3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "public"],
    "3fff::",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["3fff:1000::", "public"],
  ],
  [
    "unassigned",
    ["3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "public"],
    "4000::",
    "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["5f00::", "protocol"],
  ],
  [
    "protocol",
    ["5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unassigned"],
    "5f00::",
    "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["5f01::", "unassigned"],
  ],
  [
    "private",
    ["fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unassigned"],
    "fc00::",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["fe00::", "unassigned"],
  ],
  [
    "metadata",
    ["fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff", "private"],
    "fd00:ec2::",
    "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff",
    ["fd00:ec3::", "private"],
  ],
  ["metadata", ["fd20:ce::253", "private"], "fd20:ce::254", "fd20:ce::254", ["fd20:ce::255", "private"]],
  [
    "metadata",
    ["fd00:c1::a9fe:a9fd", "private"],
    "fd00:c1::a9fe:a9fe",
    "fd00:c1::a9fe:a9fe",
    ["fd00:c1::a9fe:a9ff", "private"],
  ],
  ["metadata", ["fd00:42::41", "private"], "fd00:42::42", "fd00:42::42", ["fd00:42::43", "private"]],
  [
    "link-local",
    ["fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unassigned"],
    "fe80::",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["fec0::", "private"],
  ],
  [
    "private",
    ["febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"],
    "fec0::",
    "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["ff00::", "multicast"],
  ],
  [
    "multicast",
    ["feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"],
    "ff00::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ["0.0.0.0", "unspecified"],
  ],
];

test.each(edges)("%s: before %s, from %s to %s, after %s", (expected, before, first, last, after) => {
  expect([kind(before[0]), kind(first), kind(last), kind(after[0])]).toEqual([before[1], expected, expected, after[1]]);
});

/** An IPv4 address by its kind, in each form of IPv6 that leads to it */
const embedded: readonly (readonly [Kind, string])[] = [
  ["public", "8.8.8.8"],
  ["public", "1.0.0.0"],
  ["private", "10.0.0.5"],
  ["private", "192.168.1.1"],
  ["loopback", "127.0.0.1"],
  ["link-local", "169.254.1.1"],
  ["metadata", "169.254.169.254"],
  ["unspecified", "0.0.0.0"],
  ["broadcast", "255.255.255.255"],
  ["multicast", "239.1.2.3"],
];

test.each(embedded)("%s: %s in IPv6", (expected, address) => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  const forms = [
    `::ffff:${address}`,
    `::FFFF:${hex}`,
    `0:0:0:0:0:ffff:${hex}`,
    `64:ff9b::${address}`,
    `64:ff9b::${hex}`,
    `2002:${hex}::`,
    `2002:${hex}:1:2:3:4:5`,
  ];
  expect(forms.map((form) => `${form} ${kind(form)}`)).toEqual(forms.map((form) => `${form} ${expected}`));
});

test("every kind of the table is met, with words of its own", () => {
  const met = new Set([...edges, ...embedded].map(([found]) => found));
  expect(Object.keys(addressKinds).filter((name) => !met.has(name as AddressKind))).toEqual([]);
  const words = Object.values(addressKinds).map((traits) => traits.words);
  expect(new Set(words).size).toBe(words.length);
});

test.each([
  "1.1.1.1",
  "8.8.8.8",
  "151.101.0.223",
  "192.31.196.1",
  "2606:4700::6810:b22b",
  "2a04:4e42::223",
  "2620:4f:8000::1",
])("%s is public", (address) => expect(kind(address)).toBe("public"));

describe("a network is entirely special", () => {
  const special = (text: string) => {
    const network = parseNetwork(text);
    if (!network) throw new TypeError(text);
    return isEntirelySpecial(withoutHostBits(network));
  };
  test.each([
    "10.0.0.0/8",
    "10.1.2.3/32",
    "127.0.0.0/8",
    "169.254.169.254/32",
    "100.64.0.0/10",
    "224.0.0.0/3",
    "240.0.0.0/4",
    "192.0.2.0/24",
    "198.18.0.0/15",
    "fc00::/7",
    "::1/128",
    "::/96",
    "2001::/23",
    "2001:db8::/33",
    "8000::/1",
    "4000::/2",
    "64:ff9b::10.0.0.0/104",
    "64:ff9b::7f00:1/128",
    "2002:a00::/24",
    "2002:7f00:1::/48",
    "2002:7f00:1:2::/64",
    "::ffff:10.0.0.0/104",
    "fe00::/7",
    "100::/63",
  ])("%s", (text) => expect(special(text)).toBe(true));
  test.each([
    "0.0.0.0/0",
    "0.0.0.0/1",
    "8.0.0.0/5",
    "10.0.0.0/7",
    "172.0.0.0/8",
    "172.16.0.0/11",
    "192.168.0.0/15",
    "192.0.0.0/22",
    "198.18.0.0/14",
    "128.0.0.0/1",
    "8.8.8.8/32",
    "::/0",
    "::/3",
    "::/1",
    "2000::/3",
    "2001::/22",
    "2001:db8::/31",
    "64:ff9b::/96",
    "64:ff9b::/64",
    "64:ff9b::8.8.8.8/128",
    "2002::/16",
    "2002::/15",
    "2002:800::/21",
    "::ffff:0:0/96",
  ])("not %s", (text) => expect(special(text)).toBe(false));
});

test("an address is read in every spelling of it, and in no other", () => {
  const texts = [
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1::", "1::"],
    ["2001:db8::1:0:0:1", "2001:db8::1:0:0:1"],
    ["::1.2.3.4", "::102:304"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ] as const;
  const shown = texts.map(([text]) => {
    const network = parseNetwork(`${text}/128`) ?? parseNetwork(`${text}/32`);
    return network && formatNetwork(network);
  });
  expect(shown).toEqual(texts.map(([, expected]) => expected));
  const none = [
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "1.2.3.04",
    "1.2.3.256",
    "1.2.3",
    "1.2.3.4.",
    " 1.2.3.4",
    "::1%lo",
    "fe80::1%eth0",
    "[::1]",
    ":::",
    "1::2::3",
    "::ffff:1.2.3",
    "::ffff:0x7f.0.0.1",
    "",
  ];
  expect(none.filter((text) => parseAddress(text) !== undefined)).toEqual([]);
});
