import { expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { formatNetwork } from "../../../../src/network/policy/address.ts";
import { parseHostRule, type RuleUse } from "../../../../src/network/policy/host-rule.ts";

/** A rule in one form: what it is for, then its ports. */
function readAs(text: string, use: RuleUse): string {
  const { target, ports, isLeave } = parseHostRule(text, use);
  const host =
    target.kind === "network"
      ? `net ${formatNetwork(target.network)}`
      : `${target.pattern.isBelow ? "below" : "name"} ${target.pattern.name}`;
  const range = ports.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  return `${host} ${range}${isLeave ? " leave" : ""}`;
}

const good: readonly (readonly [RuleUse, string, string])[] = [
  ["allow host", "example.com", "name example.com 80,443"],
  ["allow host", "EXAMPLE.Com.", "name example.com 80,443"],
  ["allow host", "example.com:8080", "name example.com 8080"],
  ["allow host", "example.com.:8080", "name example.com 8080"],
  ["allow host", "example.com:8000-8099", "name example.com 8000-8099"],
  ["allow host", "example.com:1-65535", "name example.com 1-65535"],
  ["allow host", "*.example.com", "below example.com 80,443"],
  ["allow host", "*.example.com:443", "below example.com 443"],
  ["allow host", "*.corp", "below corp 80,443"],
  ["allow host", "db", "name db 80,443"],
  ["allow host", "printer.local:631", "name printer.local 631"],
  ["allow host", "_srv._tcp.example.com", "name _srv._tcp.example.com 80,443"],
  ["allow host", "bücher.example", "name xn--bcher-kva.example 80,443"],
  ["allow host", "*.BÜCHER.example:22", "below xn--bcher-kva.example 22"],
  ["allow host", "xn--bcher-kva.example", "name xn--bcher-kva.example 80,443"],
  ["allow host", "1e100.net", "name 1e100.net 80,443"],
  ["allow host", "8.8.8.8", "net 8.8.8.8 80,443"],
  ["allow host", "8.8.8.8:53", "net 8.8.8.8 53"],
  ["allow host", "10.0.0.5:5432", "net 10.0.0.5 5432 leave"],
  ["allow host", "10.0.0.0/8", "net 10.0.0.0/8 80,443 leave"],
  ["allow host", "10.0.0.0/8:1-1024", "net 10.0.0.0/8 1-1024 leave"],
  ["allow host", "10.0.0.0/7", "net 10.0.0.0/7 80,443"],
  ["allow host", "0.0.0.0/0", "net 0.0.0.0/0 80,443"],
  ["allow host", "::/0", "net ::/0 80,443"],
  ["allow host", "2001:db8::1", "net 2001:db8::1 80,443 leave"],
  ["allow host", "[2001:db8::1]", "net 2001:db8::1 80,443 leave"],
  ["allow host", "[2001:db8::1]:443", "net 2001:db8::1 443 leave"],
  ["allow host", "2001:db8::/32", "net 2001:db8::/32 80,443 leave"],
  ["allow host", "[2001:db8::/32]:443", "net 2001:db8::/32 443 leave"],
  ["allow host", "[2606:4700::/32]:443-444", "net 2606:4700::/32 443-444"],
  ["allow host", "::ffff:10.0.0.5", "net 10.0.0.5 80,443 leave"],
  ["allow host", "::ffff:10.0.0.0/104", "net 10.0.0.0/8 80,443 leave"],
  ["allow host", "127.0.0.1:3000", "net 127.0.0.1 3000 leave"],
  ["deny host", "example.com", "name example.com 1-65535"],
  ["deny host", "example.com:22", "name example.com 22"],
  ["deny host", "*.example.com", "below example.com 1-65535"],
  ["deny host", "0.0.0.0/0", "net 0.0.0.0/0 1-65535"],
  ["deny host", "localhost", "name localhost 1-65535"],
  ["allow private destination", "registry.corp", "name registry.corp 1-65535"],
  ["allow private destination", "*.corp", "below corp 1-65535"],
  ["allow private destination", "10.0.0.0/8", "net 10.0.0.0/8 1-65535 leave"],
  ["allow private destination", "8.0.0.0/8", "net 8.0.0.0/8 1-65535"],
  ["allow private destination", "127.0.0.0/8", "net 127.0.0.0/8 1-65535 leave"],
  ["allow private destination", "169.254.169.254", "net 169.254.169.254 1-65535 leave"],
  ["allow private destination", "fd00::/16", "net fd00::/16 1-65535 leave"],
  ["allow private destination", "[fd00::1]", "net fd00::1 1-65535 leave"],
];

test.each(good)("%s %s: %s", (use, text, expected) => expect(readAs(text, use)).toBe(expected));

const forms =
  "Write NAME, *.NAME, an address or a network such as 10.0.0.0/8, with :PORT or :FROM-TO after it if need be.";
const networkForms = "Write ADDRESS/PREFIX, such as 10.0.0.0/8, or [ADDRESS/PREFIX]:PORT for IPv6 with a port.";
const badPort = ["its port is not a number or a range", "Write :PORT or :FROM-TO, such as :8080."] as const;
const outOfRange = ["its port is out of range", "Write a port from 1 to 65535."] as const;
const noHost = ["it is not a host name, an address or a network", forms] as const;
const everyHost = [
  "it means every host",
  "Name no allowed hosts and no presets, and egress is to the whole public internet.",
] as const;
const numeric = [
  "its last label is a number, so resolvers would read it as an address",
  "Write the address as four decimal numbers, such as 192.0.2.1.",
] as const;
const star = ["a * can only be all of the first label", "Write NAME or *.NAME."] as const;
const zone = ["an address with a zone is never allowed", "Write the address without its zone."] as const;
const noNetwork = ["it is not a network", networkForms] as const;
const listed = ["it has a comma or white space in it", "Give each host a rule of its own."] as const;
const brackets = [
  "its brackets do not enclose an address",
  "Write [ADDRESS]:PORT, such as [2001:db8::1]:443.",
] as const;

const bad: readonly (readonly [RuleUse, string, readonly [string, string]])[] = [
  ["allow host", "", ["it is empty", forms]],
  ["allow host", " example.com", ["it begins or ends with white space", "Write 'example.com'."]],
  ["allow host", "a.com,b.com", listed],
  ["allow host", "a.com b.com", listed],
  ["allow host", "*", everyHost],
  ["allow host", "*.", everyHost],
  ["allow host", "*:443", everyHost],
  ["deny host", "*", ["it means every host", "Choose the network policy off, which denies every host."]],
  ["allow private destination", "*", ["it means every host", "Name the hosts or networks that are meant."]],
  ["allow host", "*.*.com", star],
  ["allow host", "foo*.com", star],
  ["allow host", "*foo.com", star],
  ["allow host", "foo.*.com", star],
  ["allow host", "foo.*", star],
  ["allow host", "**.com", star],
  ["allow host", ".example.com", ["it begins with a dot", "Write *.example.com for all names below it."]],
  ["allow host", "https://x/", ["it is a URL", "Write its host alone: x."]],
  ["allow host", "https://user:pw@x.org:8443/a?b", ["it is a URL", "Write its host alone: x.org:8443."]],
  ["allow host", "git+ssh://git@x.org/a", ["it is a URL", "Write its host alone: x.org."]],
  ["allow host", "https://", ["it is a URL", "Write its host alone: NAME."]],
  ["allow host", "example.com/path", ["it has a path, and rules are for whole hosts", "Write example.com."]],
  ["allow host", "example.com:", badPort],
  ["allow host", "example.com:http", badPort],
  ["allow host", "example.com:-1", badPort],
  ["allow host", "example.com:80-", badPort],
  ["allow host", "example.com:80-90-100", badPort],
  ["allow host", "example.com:*", badPort],
  ["allow host", "example.com:0", outOfRange],
  ["allow host", "example.com:65536", outOfRange],
  ["allow host", "example.com:0-80", outOfRange],
  ["allow host", "example.com:80-70000", outOfRange],
  ["allow host", "example.com:90-80", ["its range of ports is the wrong way round", "Write :80-90."]],
  ["allow host", "user@example.com", noHost],
  ["allow host", "exa mple.com", listed],
  ["allow host", "-a.com", noHost],
  ["allow host", "a-.com", noHost],
  ["allow host", "a..com", noHost],
  ["allow host", "a.com..", noHost],
  ["allow host", ":80", noHost],
  ["allow host", ".", ["it begins with a dot", "Write *. for all names below it."]],
  ["allow host", `${"a".repeat(64)}.com`, noHost],
  ["allow host", "127.1", numeric],
  ["allow host", "0x7f.1", numeric],
  ["allow host", "2130706433", numeric],
  ["allow host", "1.2.3.256", numeric],
  ["allow host", "example.123", numeric],
  ["allow host", "*.1", numeric],
  ["allow host", "１２７.１", numeric],
  [
    "allow host",
    "localhost",
    ["this host's loopback is never reached by name", "Name the address, such as 127.0.0.1."],
  ],
  [
    "allow host",
    "*.localhost:80",
    ["this host's loopback is never reached by name", "Name the address, such as 127.0.0.1."],
  ],
  [
    "allow private destination",
    "api.localhost",
    ["this host's loopback is never reached by name", "Name the address, such as 127.0.0.1."],
  ],
  ["allow host", "fe80::1%eth0", zone],
  ["allow host", "[fe80::1%eth0]:80", zone],
  [
    "allow host",
    "10.0.0.5/8",
    ["the address is inside of the network and not its first", "Write 10.0.0.0/8 for all of it, or the address alone."],
  ],
  [
    "allow host",
    "2001:db8::1/32",
    [
      "the address is inside of the network and not its first",
      "Write 2001:db8::/32 for all of it, or the address alone.",
    ],
  ],
  ["allow host", "10.0.0.0/33", noNetwork],
  ["allow host", "10.0.0/8", noNetwork],
  ["allow host", "10.0.0.0/", noNetwork],
  ["allow host", "2001:db8::/129", noNetwork],
  ["allow host", "2001:db8::/32:443", noNetwork],
  ["allow host", "1:2:3", ["it is not an IPv6 address", "Write ADDRESS, or [ADDRESS]:PORT if it has a port."]],
  ["allow host", "[2001:db8::1", brackets],
  ["allow host", "[2001:db8::1]443", brackets],
  ["allow host", "[10.0.0.1]:80", ["brackets are for IPv6 addresses", "Write it without them: 10.0.0.1."]],
  ["allow host", "[::1]:", badPort],
  [
    "allow private destination",
    "registry.corp:5000",
    ["it names a port", "Write registry.corp, which is for all allowed ports."],
  ],
  [
    "allow private destination",
    "0.0.0.0/0",
    ["it is wider than /8", "Name only the networks that are meant, such as 10.0.0.0/8."],
  ],
  [
    "allow private destination",
    "8.0.0.0/7",
    ["it is wider than /8", "Name only the networks that are meant, such as 10.0.0.0/8."],
  ],
  [
    "allow private destination",
    "::/0",
    ["it is wider than /16", "Name only the networks that are meant, such as 10.0.0.0/8."],
  ],
  [
    "allow private destination",
    "fc00::/7",
    ["it is wider than /16", "Name only the networks that are meant, such as 10.0.0.0/8."],
  ],
  [
    "allow private destination",
    "::ffff:0:0/96",
    ["it is wider than /8", "Name only the networks that are meant, such as 10.0.0.0/8."],
  ],
];

test.each(bad)("cannot %s '%s'", (use, text, [reason, hint]) => {
  const thrown = refusalOf(text, use);
  expect({ code: thrown.code, message: thrown.message, hint: thrown.hint }).toEqual({
    code: "invalid_argument",
    message: `cannot ${use} '${text}': ${reason}`,
    hint,
  });
});

test("what a user wrote is shortened and made harmless in messages", () => {
  expect(refusalOf(`\u001b[2J${"x".repeat(300)}!`, "allow host").message).toBe(
    `cannot allow host '\\u{1b}[2J${"x".repeat(71)}…': it is not a host name, an address or a network`,
  );
  expect(refusalOf("evil\u202e.com/", "allow host").message).toContain("'evil\\u{202e}.com/'");
});

function refusalOf(text: string, use: RuleUse): PyroError {
  try {
    parseHostRule(text, use);
  } catch (thrown) {
    if (thrown instanceof PyroError) return thrown;
    throw thrown;
  }
  throw new Error(`'${text}' was taken`);
}
