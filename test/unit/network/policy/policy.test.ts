import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../../../src/network/policy/policy.ts";
import type { NetworkRules } from "../../../../src/network/policy/rules.ts";
import type { Verdict } from "../../../../src/network/policy/verdict.ts";
import { rulesOf } from "./rules-of.ts";

type Case = readonly [rules: Partial<NetworkRules>, destination: string, port: number | "any", expected: string];

/** `allowed`, or the rule and the way to allow it. */
function inWords(verdict: Verdict): string {
  return verdict.allowed ? "allowed" : `${verdict.rule} | ${verdict.howToAllow ?? "no way"}`;
}

const list = { allowHosts: ["example.com", "*.example.org:8000-8999", "example.org:443"] };
const off = { mode: "off" } as const;
const published = { mode: "published-ports" } as const;

const names: readonly Case[] = [
  [{}, "example.com", 443, "allowed"],
  [{}, "example.com", 80, "allowed"],
  [{}, "example.com", 22, "allowed"],
  [{}, "example.com", 9418, "allowed"],
  [{}, "example.com", "any", "allowed"],
  [{}, "EXAMPLE.com.", 443, "allowed"],
  [{}, "bücher.example", "any", "allowed"],
  [{}, "_dmarc.example.com", "any", "allowed"],
  [{ mode: "egress+published-ports" }, "example.com", 443, "allowed"],
  [{}, "example.com", 25, "port 25 is not open by default | --allow public --allow-host example.com:25"],
  [
    {},
    "Bücher.example",
    8080,
    "port 8080 is not open by default | --allow public --allow-host xn--bcher-kva.example:8080",
  ],
  [{}, "example.com", 0, "not a port | no way"],
  [{}, "example.com", 65_536, "not a port | no way"],
  [{}, "example.com", 443.5, "not a port | no way"],
  [{}, "example.com", Number.NaN, "not a port | no way"],
  [{}, "db", "any", "db is not a public name | --allow-private db"],
  [{}, "db", 5432, "db is not a public name | --allow public --allow-host db:5432"],
  [{}, "printer.local", 80, "printer.local is not a public name | --allow-private printer.local"],
  [{}, "local", 80, "local is not a public name | --allow-private local"],
  [{ allowPrivate: ["db"] }, "db", 80, "allowed"],
  [{ allowHosts: ["db:5432"] }, "db", 5432, "allowed"],
  [{ allowHosts: ["*.local"] }, "printer.local", "any", "allowed"],
  [{}, "localhost", "any", "localhost is never reached by name | no way"],
  [{}, "LOCALHOST.", 80, "localhost is never reached by name | no way"],
  [{}, "api.localhost", 80, "localhost is never reached by name | no way"],
  [{}, "ⓛocalhost", 80, "localhost is never reached by name | no way"],
  [{}, "127.1", 80, "127.1 would be read as an address | no way"],
  [{}, "0x7F.1", 80, "0x7f.1 would be read as an address | no way"],
  [{}, "", 80, "not a host name | no way"],
  [{}, "a..b", 80, "not a host name | no way"],
  [{}, "a b", 80, "not a host name | no way"],
  [{}, "\u001b[2J", 80, "not a host name | no way"],
  [{}, `${"a.".repeat(126)}bc`, 80, "not a host name | no way"],
  [{}, `${"a.".repeat(126)}b`, 80, "allowed"],
  [{}, "é".repeat(100_000), 80, "not a host name | no way"],

  [list, "example.com", "any", "allowed"],
  [list, "example.com", 443, "allowed"],
  [list, "example.com", 22, "port 22 of example.com is not in --allow-host | --allow-host example.com:22"],
  [list, "www.example.com", "any", "not in --allow-host | --allow-host www.example.com"],
  [list, "www.example.com", 8080, "not in --allow-host | --allow-host www.example.com:8080"],
  [list, "notexample.com", 443, "not in --allow-host | --allow-host notexample.com"],
  [list, "example.com.evil.net", 443, "not in --allow-host | --allow-host example.com.evil.net"],
  [list, "example.org", 443, "allowed"],
  [list, "example.org", 8000, "port 8000 of example.org is not in --allow-host | --allow-host example.org:8000"],
  [list, "a.example.org", 8000, "allowed"],
  [list, "a.b.example.org", 8999, "allowed"],
  [list, "a.example.org", 7999, "port 7999 of a.example.org is not in --allow-host | --allow-host a.example.org:7999"],
  [list, "a.example.org", 9000, "port 9000 of a.example.org is not in --allow-host | --allow-host a.example.org:9000"],
  [list, "aexample.org", 8000, "not in --allow-host | --allow-host aexample.org:8000"],
  [list, "pypi.org", 443, "not in --allow-host | --allow pypi"],
  [list, "files.pythonhosted.org", "any", "not in --allow-host | --allow pypi"],
  [list, "pypi.org", 8080, "not in --allow-host | --allow-host pypi.org:8080"],
  [{ ...list, presets: ["npm"] }, "pypi.org", 443, "not in --allow-host or --allow | --allow pypi"],
  [
    { allowHosts: ["0.0.0.0/0:1-65535", "::/0:1-65535"].slice(0, 1) },
    "example.com",
    443,
    "not in --allow-host | --allow-host example.com",
  ],

  [
    { denyHosts: ["*.example.com"] },
    "a.example.com",
    "any",
    "--deny-host *.example.com | remove --deny-host *.example.com",
  ],
  [{ denyHosts: ["*.example.com"] }, "example.com", "any", "allowed"],
  [{ denyHosts: ["example.com"] }, "a.example.com", 443, "allowed"],
  [
    { denyHosts: ["Example.com:22"] },
    "example.com",
    22,
    "--deny-host Example.com:22 | remove --deny-host Example.com:22",
  ],
  [{ denyHosts: ["example.com:22"] }, "example.com", 443, "allowed"],
  [{ denyHosts: ["example.com:22"] }, "example.com", "any", "allowed"],
  [
    { denyHosts: ["example.com:1-100", "example.com:400-10000"] },
    "example.com",
    "any",
    "--deny-host example.com:1-100 | remove --deny-host example.com:1-100",
  ],
  [{ denyHosts: ["example.com:1-100", "example.com:400-9417"] }, "example.com", "any", "allowed"],
  [
    { denyHosts: ["example.com:1-100", "example.com:400-500"] },
    "example.com",
    443,
    "--deny-host example.com:400-500 | remove --deny-host example.com:400-500",
  ],
  [
    { ...list, denyHosts: ["example.com"] },
    "example.com",
    443,
    "--deny-host example.com | remove --deny-host example.com",
  ],
  [{ ...list, denyHosts: ["*.com"] }, "x.com", "any", "--deny-host *.com | remove --deny-host *.com"],
  [
    { presets: ["npm"], denyHosts: ["registry.npmjs.org"] },
    "registry.npmjs.org",
    443,
    "--deny-host registry.npmjs.org | remove --deny-host registry.npmjs.org",
  ],

  [off, "example.com", "any", "network policy is off | --network-policy egress"],
  [off, "example.com", 443, "network policy is off | --network-policy egress"],
  [
    off,
    "example.com",
    25,
    "network policy is off | --network-policy egress --allow public --allow-host example.com:25",
  ],
  [off, "localhost", 80, "network policy is off | no way"],
  [{ ...off, denyHosts: ["example.com"] }, "example.com", 443, "network policy is off | no way"],
  [{ ...off, ...list }, "pypi.org", 443, "network policy is off | --network-policy egress --allow pypi"],
  [published, "example.com", 443, "network policy is published-ports | --network-policy egress+published-ports"],
];

test.each(names)("%o: name %s, port %s: %s", (rules, name, port, expected) => {
  const policy = compilePolicy(rulesOf(rules));
  expect(inWords(port === "any" ? policy.judgeName(name) : policy.judgeNamed(name, port))).toBe(expected);
});

const lan = { allowPrivate: ["10.0.0.0/8", "127.0.0.1", "fd00::/16"] };

const literals: readonly Case[] = [
  [{}, "8.8.8.8", 443, "allowed"],
  [{}, "8.8.8.8", 53, "port 53 is not open by default | --allow public --allow-host 8.8.8.8:53"],
  [{}, "2606:4700::1111", 443, "allowed"],
  [
    {},
    "2606:4700::1111",
    8080,
    "port 8080 is not open by default | --allow public --allow-host [2606:4700::1111]:8080",
  ],
  [{}, "::ffff:8.8.8.8", 443, "allowed"],
  [{}, "64:ff9b::8.8.8.8", 443, "allowed"],
  [{}, "10.0.0.5", 443, "10.0.0.5 is private | --allow-private 10.0.0.5"],
  [{}, "10.0.0.5", 5432, "10.0.0.5 is private | --allow public --allow-host 10.0.0.5:5432"],
  [{}, "::ffff:10.0.0.5", 80, "10.0.0.5 is private | --allow-private 10.0.0.5"],
  [{}, "fd00::1", 8080, "fd00::1 is private | --allow public --allow-host [fd00::1]:8080"],
  [{}, "127.0.0.1", 80, "127.0.0.1 is loopback | --allow-private 127.0.0.1"],
  [{}, "169.254.169.254", 80, "169.254.169.254 is a metadata service of a cloud | --allow-private 169.254.169.254"],
  [{}, "0.0.0.0", 80, "0.0.0.0 is unspecified | no way"],
  [{}, "::", 80, ":: is unspecified | no way"],
  [{}, "224.0.0.1", 80, "224.0.0.1 is multicast | no way"],
  [{}, "255.255.255.255", 80, "255.255.255.255 is broadcast | no way"],
  [{}, "fe80::1%eth0", 80, "an address with a zone is never public | no way"],
  [{}, "127.1", 80, "not an address | no way"],
  [{}, "example.com", 80, "not an address | no way"],
  [{}, "8.8.8.8", 0, "not a port | no way"],

  [lan, "10.9.9.9", 443, "allowed"],
  [lan, "10.9.9.9", 5432, "port 5432 is not open by default | --allow public --allow-host 10.9.9.9:5432"],
  [lan, "11.0.0.1", 443, "allowed"],
  [lan, "127.0.0.1", 22, "allowed"],
  [lan, "127.0.0.2", 22, "127.0.0.2 is loopback | --allow-private 127.0.0.2"],
  [lan, "fd00:1::", 80, "allowed"],
  [lan, "64:ff9b::10.0.0.5", 80, "64:ff9b::a00:5 is private | --allow-private 64:ff9b::a00:5"],
  [{ allowPrivate: ["registry.corp"] }, "10.0.0.5", 443, "10.0.0.5 is private | --allow-private 10.0.0.5"],

  [list, "8.8.8.8", 443, "not in --allow-host | --allow-host 8.8.8.8"],
  [{ ...list, ...lan }, "10.0.0.5", 443, "not in --allow-host | --allow-host 10.0.0.5"],
  [list, "10.0.0.5", 443, "10.0.0.5 is private | --allow-host 10.0.0.5"],
  [{ allowHosts: ["10.0.0.5"] }, "10.0.0.5", 443, "allowed"],
  [{ allowHosts: ["10.0.0.5"] }, "::ffff:a00:5", 443, "allowed"],
  [
    { allowHosts: ["10.0.0.5"] },
    "10.0.0.5",
    22,
    "port 22 of 10.0.0.5 is not in --allow-host | --allow-host 10.0.0.5:22",
  ],
  [{ allowHosts: ["10.0.0.5"] }, "10.0.0.6", 443, "10.0.0.6 is private | --allow-host 10.0.0.6"],
  [{ allowHosts: ["10.0.0.0/8:5432"] }, "10.1.1.1", 5432, "allowed"],
  [{ allowHosts: ["127.0.0.1:3000"] }, "127.0.0.1", 3000, "allowed"],
  [{ allowHosts: ["169.254.169.254"] }, "169.254.169.254", 80, "allowed"],
  [{ allowHosts: ["0.0.0.0/0"] }, "8.8.8.8", 443, "allowed"],
  [{ allowHosts: ["0.0.0.0/0"] }, "8.8.8.8", 22, "port 22 of 8.8.8.8 is not in --allow-host | --allow-host 8.8.8.8:22"],
  [{ allowHosts: ["0.0.0.0/0"] }, "10.0.0.5", 443, "10.0.0.5 is private | --allow-private 10.0.0.5"],
  [{ allowHosts: ["0.0.0.0/0"] }, "10.0.0.5", 22, "10.0.0.5 is private | --allow-host 10.0.0.5:22"],
  [{ allowHosts: ["0.0.0.0/0"], ...lan }, "10.0.0.5", 443, "allowed"],
  [{ allowHosts: ["10.0.0.0/7"] }, "10.0.0.5", 443, "10.0.0.5 is private | --allow-private 10.0.0.5"],
  [{ allowHosts: ["::/0"] }, "2606:4700::1111", 443, "allowed"],
  [{ allowHosts: ["::/0"] }, "fd00::1", 443, "fd00::1 is private | --allow-private fd00::1"],
  [{ allowHosts: ["::/0"] }, "::1", 443, "::1 is loopback | --allow-private ::1"],
  [{ allowHosts: ["::/0"] }, "::ffff:8.8.8.8", 443, "not in --allow-host | --allow-host 8.8.8.8"],
  [{ allowHosts: ["2002:7f00:1::/48"] }, "2002:7f00:1::5", 443, "allowed"],

  [{ denyHosts: ["8.8.8.0/24"] }, "8.8.8.8", 443, "--deny-host 8.8.8.0/24 | remove --deny-host 8.8.8.0/24"],
  [{ denyHosts: ["8.8.8.0/24"] }, "::ffff:808:808", 443, "--deny-host 8.8.8.0/24 | remove --deny-host 8.8.8.0/24"],
  [{ denyHosts: ["8.8.8.0/24"] }, "64:ff9b::808:808", 443, "--deny-host 8.8.8.0/24 | remove --deny-host 8.8.8.0/24"],
  [{ denyHosts: ["8.8.8.0/24"] }, "2002:808:808::1", 443, "--deny-host 8.8.8.0/24 | remove --deny-host 8.8.8.0/24"],
  [{ denyHosts: ["8.8.8.8:22"] }, "8.8.8.8", 443, "allowed"],
  [{ denyHosts: ["8.8.8.8:22"] }, "8.8.8.8", 22, "--deny-host 8.8.8.8:22 | remove --deny-host 8.8.8.8:22"],
  [{ denyHosts: ["10.0.0.5"], ...lan }, "10.0.0.5", 443, "--deny-host 10.0.0.5 | remove --deny-host 10.0.0.5"],
  [
    { denyHosts: ["10.0.0.0/8"], allowHosts: ["10.0.0.5"] },
    "10.0.0.5",
    443,
    "--deny-host 10.0.0.0/8 | remove --deny-host 10.0.0.0/8",
  ],

  [off, "8.8.8.8", 443, "network policy is off | --network-policy egress"],
  [off, "10.0.0.5", 443, "network policy is off | --network-policy egress --allow-private 10.0.0.5"],
  [off, "0.0.0.0", 443, "network policy is off | no way"],
  [published, "8.8.8.8", 443, "network policy is published-ports | --network-policy egress+published-ports"],
];

test.each(literals)("%o: address %s, port %s: %s", (rules, address, port, expected) => {
  expect(inWords(compilePolicy(rulesOf(rules)).judgeLiteral(address, Number(port)))).toBe(expected);
});

describe("addresses after resolution", () => {
  const resolve = (rules: Partial<NetworkRules>, name: string, addresses: readonly string[], port = 443) => {
    const { allowed, refused } = compilePolicy(rulesOf(rules)).dialable(name, port, addresses);
    return [
      ...allowed,
      ...refused.map(
        ({ address, kind, rule, howToAllow }) => `${address} ${kind}: ${rule} | ${howToAllow ?? "no way"}`,
      ),
    ];
  };

  test("those that are public may be dialled, in their order, once each, in one spelling", () => {
    const addresses = [
      "2606:4700::1",
      "93.184.216.34",
      "::ffff:93.184.216.34",
      "10.0.0.5",
      "93.184.216.34",
      "2606:4700:0::1",
    ];
    expect(resolve({}, "example.com", addresses)).toEqual([
      "2606:4700::1",
      "93.184.216.34",
      "10.0.0.5 private: 10.0.0.5 is private | --allow-private example.com",
    ]);
  });

  test("leave for a name covers what is private, and never what is this host or its cloud", () => {
    const allowPrivate = ["registry.corp", "*.db.corp"];
    const may = [
      "10.0.0.5",
      "172.16.0.1",
      "192.168.1.1",
      "fd00::1",
      "100.64.0.1",
      "203.0.113.7",
      "2001:db8::1",
      "198.18.0.1",
      "240.0.0.1",
    ];
    const mayNot = [
      "127.0.0.1",
      "::1",
      "0.0.0.0",
      "::",
      "169.254.1.1",
      "fe80::1",
      "169.254.169.254",
      "fd00:ec2::254",
      "100.100.100.200",
      "168.63.129.16",
      "192.0.0.192",
      "224.0.0.1",
      "ff02::1",
      "255.255.255.255",
      "::ffff:127.0.0.1",
      "64:ff9b::127.0.0.1",
      "2002:7f00:1::",
      "::127.0.0.1",
      "2001::1",
    ];
    const policy = compilePolicy(rulesOf({ allowPrivate }));
    for (const name of ["registry.corp", "Registry.Corp.", "a.db.corp"]) {
      const { allowed, refused } = policy.dialable(name, 443, [...may, ...mayNot]);
      expect(allowed).toEqual(may);
      expect(refused).toHaveLength(mayNot.length);
    }
    for (const name of ["x.registry.corp", "db.corp"]) expect(policy.dialable(name, 443, may).allowed).toEqual([]);
    expect(resolve({ allowPrivate }, "registry.corp", ["127.0.0.1", "0.0.0.0"])).toEqual([
      "127.0.0.1 loopback: 127.0.0.1 is loopback | --allow-private 127.0.0.1",
      "0.0.0.0 unspecified: 0.0.0.0 is unspecified | no way",
    ]);
  });

  test("leave for an address is for every allowed name, whatever its kind", () => {
    const allowPrivate = ["127.0.0.0/8", "169.254.169.254", "10.1.0.0/16"];
    expect(
      resolve({ allowPrivate }, "example.com", ["127.9.9.9", "::ffff:127.0.0.1", "169.254.169.254", "10.1.2.3"]),
    ).toEqual(["127.9.9.9", "127.0.0.1", "169.254.169.254", "10.1.2.3"]);
    expect(
      resolve({ allowPrivate }, "example.com", ["10.2.0.1", "169.254.169.253", "::1"]).every((text) =>
        text.includes(" is "),
      ),
    ).toBe(true);
  });

  test("an allowed address is no leave for names", () => {
    expect(resolve({ allowHosts: ["example.com", "10.0.0.0/8"] }, "example.com", ["10.0.0.5"])).toEqual([
      "10.0.0.5 private: 10.0.0.5 is private | --allow-private example.com",
    ]);
  });

  test("denied addresses are refused on the ports that are denied", () => {
    const rules = { denyHosts: ["93.184.216.0/24:443", "10.0.0.5"], allowPrivate: ["10.0.0.0/8"] };
    expect(resolve(rules, "example.com", ["93.184.216.34", "10.0.0.5", "10.0.0.6"])).toEqual([
      "10.0.0.6",
      "93.184.216.34 denied: --deny-host 93.184.216.0/24:443 | remove --deny-host 93.184.216.0/24:443",
      "10.0.0.5 denied: --deny-host 10.0.0.5 | remove --deny-host 10.0.0.5",
    ]);
    expect(resolve(rules, "example.com", ["93.184.216.34"], 80)).toEqual(["93.184.216.34"]);
  });

  test("a name or port that is denied has none", () => {
    expect(resolve({ denyHosts: ["example.com"] }, "example.com", ["93.184.216.34"])).toEqual([
      "93.184.216.34 denied: --deny-host example.com | remove --deny-host example.com",
    ]);
    expect(resolve({}, "example.com", ["93.184.216.34"], 25)).toEqual([
      "93.184.216.34 denied: port 25 is not open by default | --allow public --allow-host example.com:25",
    ]);
    expect(resolve({ mode: "off" }, "example.com", ["93.184.216.34"])).toEqual([
      "93.184.216.34 denied: network policy is off | --network-policy egress",
    ]);
  });

  test("what is no address is refused", () => {
    expect(resolve({ allowPrivate: ["example.com"] }, "example.com", ["fe80::1%eth0", "127.1", ""])).toEqual([
      "fe80::1%eth0 malformed: not an address without a zone | no way",
      "127.1 malformed: not an address without a zone | no way",
      " malformed: not an address without a zone | no way",
    ]);
  });
});
