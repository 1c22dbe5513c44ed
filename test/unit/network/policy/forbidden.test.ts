import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../../../src/network/policy/policy.ts";
import { rulesOf } from "./rules-of.ts";

const addresses = [
  // This host's loopback
  "127.0.0.1",
  "127.0.0.53",
  "127.1.2.3",
  "127.255.255.254",
  "0.0.0.0",
  "0.1.2.3",
  "::",
  "::1",
  "0:0:0:0:0:0:0:1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "0:0:0:0:0:ffff:127.0.0.1",
  "::ffff:0.0.0.0",
  "::127.0.0.1",
  "::7f00:1",
  "64:ff9b::127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b::0.0.0.0",
  "64:ff9b:1::7f00:1",
  "2002:7f00:1::",
  "2002:7f00:1::1",
  "2002::1",
  "::ffff:0:127.0.0.1",
  // Metadata services of clouds
  "169.254.169.254",
  "169.254.170.2",
  "169.254.169.123",
  "::ffff:169.254.169.254",
  "::ffff:a9fe:a9fe",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
  "fd00:42::42",
  "fd00:c1::a9fe:a9fe",
  "100.100.100.200",
  "168.63.129.16",
  "::ffff:168.63.129.16",
  "192.0.0.192",
  // Private networks
  "10.0.0.1",
  "10.255.255.255",
  "172.16.0.1",
  "172.17.0.1",
  "172.31.255.255",
  "192.168.0.1",
  "192.168.122.1",
  "::ffff:10.0.0.1",
  "64:ff9b::10.0.0.1",
  "2002:c0a8:1::1",
  "fc00::1",
  "fd12:3456:789a::1",
  "fec0::1",
  "100.64.0.1",
  "100.127.255.254",
  // Link-local, with a zone and without
  "169.254.0.1",
  "fe80::1",
  "fe80::1%eth0",
  "fe80::1%1",
  "febf::1",
  "::1%lo",
  "2606:4700::1%eth0",
  "ff02::1%eth0",
  // Documentation, benchmarks and other special networks
  "192.0.2.1",
  "198.51.100.1",
  "203.0.113.1",
  "2001:db8::1",
  "3fff::1",
  "198.18.0.1",
  "198.19.255.255",
  "192.0.0.1",
  "192.0.0.8",
  "192.88.99.1",
  "240.0.0.1",
  "255.255.255.254",
  "255.255.255.255",
  "224.0.0.1",
  "239.255.255.250",
  "ff02::1",
  "ff0e::1",
  "100::1",
  "2001::1",
  "2001:0:7f00:1::1",
  "2001:2::1",
  "2001:10::1",
  "2001:20::1",
  "5f00::1",
  "4000::1",
  "8000::1",
  "1fff::1",
  "200::1",
];

/** Spellings that a resolver would read as an address, and names of this host */
const names = [
  "127.1",
  "127.0.1",
  "127.0.0.1",
  "127.0.0.1.",
  "0x7f.1",
  "0X7F.0.0.1",
  "0x7f000001",
  "0x7f.0x0.0x0.0x1",
  "0177.0.0.1",
  "0177.1",
  "017700000001",
  "2130706433",
  "2130706433.",
  "0",
  "0.",
  "0x0",
  "0x",
  "0.0.0.0",
  "00.0",
  "169.254.43518",
  "0xa9fea9fe",
  "2852039166",
  "10.1",
  "167772161",
  "192.168.257",
  "127.0.0.01",
  "127.0.0.1.1",
  "1.2.3.4.5",
  "foo.127",
  "foo.0x7f",
  "foo.bar.0",
  "１２７.０.０.１",
  "127。0。0。1",
  "①②⑦.1",
  "localhost",
  "LocalHost",
  "localhost.",
  "foo.localhost",
  "a.b.localhost.",
  "ｌocalhost",
  "::1",
  "[::1]",
  "::ffff:127.0.0.1",
  "fe80::1%eth0",
  "%31%32%37.1",
  "127.0.0.1:80",
  "http://127.0.0.1",
  "127.0.0.1/",
  "127.0.0.1\0.example.com",
  "example.com\0",
  "example.com\n",
  " localhost",
  "localhost ",
  "local\u00adhost",
  "a@127.0.0.1",
];

describe("without a rule that names it", () => {
  const policies = {
    "the public internet": compilePolicy(rulesOf()),
    "every network": compilePolicy(rulesOf({ allowHosts: ["0.0.0.0/0:1-65535", "[::/0]:1-65535"] })),
    "a name with leave for private addresses": compilePolicy(
      rulesOf({ allowHosts: ["*.example.com:1-65535"], allowPrivate: ["other.example.com"] }),
    ),
  };
  test("there are many", () => expect(addresses.length + names.length).toBeGreaterThan(120));

  test.each(Object.entries(policies))("%s has no forbidden address", (_, policy) => {
    const open = (port: number) => addresses.filter((address) => policy.judgeLiteral(address, port).allowed);
    expect([80, 443, 22, 9418, 8080].flatMap(open)).toEqual([]);
    expect(policy.dialable("www.example.com", 443, addresses).allowed).toEqual([]);
  });

  test.each(Object.entries(policies))("%s has no name that is an address or this host", (_, policy) => {
    expect(names.filter((name) => policy.judgeName(name).allowed)).toEqual([]);
    expect(names.filter((name) => policy.judgeNamed(name, 443).allowed)).toEqual([]);
    expect(names.flatMap((name) => policy.dialable(name, 443, ["93.184.216.34"]).allowed)).toEqual([]);
  });

  test("no text of a guest that is no name comes back in the verdict", () => {
    const policy = compilePolicy(rulesOf());
    const said = names.filter((name) => !/^[\w.-]*$/.test(name)).map((name) => JSON.stringify(policy.judgeName(name)));
    expect(said.filter((text) => /[^\x20-\x7e]|@|%|\\/.test(text))).toEqual([]);
  });
});
