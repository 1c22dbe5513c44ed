import fc from "fast-check";
import { expect, test } from "vitest";
import { isWithin, narrowTo } from "../../../../src/network/policy/narrow.ts";
import { compilePolicy } from "../../../../src/network/policy/policy.ts";
import { type NetworkRules, networkModes } from "../../../../src/network/policy/rules.ts";
import { rulesOf } from "./rules-of.ts";

type Case = readonly [within: boolean, ceiling: Partial<NetworkRules>, wanted: Partial<NetworkRules>];

const cases: readonly Case[] = [
  [true, {}, {}],
  [true, {}, { mode: "off" }],
  [false, { mode: "off" }, {}],
  [false, { mode: "off" }, { mode: "published-ports" }],
  [false, {}, { mode: "egress+published-ports" }],
  [false, { mode: "published-ports" }, {}],
  [true, { mode: "egress+published-ports" }, { mode: "published-ports" }],
  [true, { mode: "egress+published-ports" }, {}],
  [true, { mode: "off" }, { mode: "off", allowHosts: ["a.com"] }],
  // The public internet as the ceiling
  [true, {}, { allowHosts: ["a.com", "*.b.com:22", "8.8.8.8", "*.corp"] }],
  [true, {}, { presets: ["npm", "github"] }],
  [false, {}, { allowHosts: ["a.com:8080"] }],
  [false, {}, { allowHosts: ["a.com:80-443"] }],
  [false, {}, { allowHosts: ["db"] }],
  [false, {}, { allowHosts: ["a.local"] }],
  [false, {}, { allowHosts: ["*.local"] }],
  [false, {}, { allowHosts: ["10.0.0.5"] }],
  [true, {}, { allowHosts: ["10.0.0.0/7"] }],
  [true, { allowPrivate: ["10.0.0.0/8"] }, { allowHosts: ["10.0.0.5"] }],
  // A list as the ceiling
  [false, { allowHosts: ["a.com"] }, {}],
  [true, { allowHosts: ["a.com"] }, { allowHosts: ["A.com:443"] }],
  [false, { allowHosts: ["a.com"] }, { allowHosts: ["a.com:22"] }],
  [false, { allowHosts: ["a.com"] }, { allowHosts: ["*.a.com"] }],
  [false, { allowHosts: ["*.a.com"] }, { allowHosts: ["a.com"] }],
  [true, { allowHosts: ["*.a.com"] }, { allowHosts: ["x.y.a.com", "*.a.com", "*.b.a.com"] }],
  [false, { allowHosts: ["*.a.com"] }, { allowHosts: ["ba.com"] }],
  [true, { allowHosts: ["a.com:1-100", "*.com:101-200"] }, { allowHosts: ["a.com:50-150"] }],
  [false, { allowHosts: ["a.com:1-100", "*.com:102-200"] }, { allowHosts: ["a.com:50-150"] }],
  [true, { allowHosts: ["registry.npmjs.org", "*.yarnpkg.com"] }, { presets: ["npm"] }],
  [true, { presets: ["npm"] }, { allowHosts: ["registry.npmjs.org:443"] }],
  [false, { presets: ["npm"] }, { allowHosts: ["registry.npmjs.org"] }],
  [false, { presets: ["npm"] }, { presets: ["npm", "pypi"] }],
  [true, { allowHosts: ["10.0.0.0/8"] }, { allowHosts: ["10.2.0.0/16", "10.0.0.5:80"] }],
  [false, { allowHosts: ["10.0.0.0/16"] }, { allowHosts: ["10.0.0.0/8"] }],
  [true, { allowHosts: ["0.0.0.0/0"] }, { allowHosts: ["8.8.8.8"] }],
  [false, { allowHosts: ["0.0.0.0/0"] }, { allowHosts: ["10.0.0.5"] }],
  [false, { allowHosts: ["0.0.0.0/0"] }, { allowHosts: ["::/0"] }],
  [true, { allowHosts: ["0.0.0.0/0"], allowPrivate: ["10.0.0.0/8"] }, { allowHosts: ["10.0.0.5"] }],
  // Leave for private addresses
  [false, {}, { allowPrivate: ["10.0.0.5"] }],
  [false, { allowHosts: ["10.0.0.0/8"] }, { allowHosts: ["10.0.0.5"], allowPrivate: ["10.0.0.5"] }],
  [true, { allowPrivate: ["10.0.0.0/8", "*.corp"] }, { allowPrivate: ["10.1.0.0/16", "a.corp"] }],
  [false, { allowPrivate: ["a.corp"] }, { allowPrivate: ["*.corp"] }],
  // Denied hosts
  [false, { denyHosts: ["a.com"] }, {}],
  [true, { denyHosts: ["a.com"] }, { denyHosts: ["a.com", "b.com"] }],
  [true, { denyHosts: ["x.a.com:22", "10.0.0.0/8"] }, { denyHosts: ["*.a.com", "10.0.0.0/7"] }],
  [false, { denyHosts: ["a.com"] }, { denyHosts: ["a.com:443"] }],
  [true, { denyHosts: ["a.com:1-9"] }, { denyHosts: ["a.com:1-4", "a.com:5-9"] }],
  [true, { denyHosts: ["a.com"] }, { mode: "off" }],
];

test.each(cases)("%s: below %o is %o", (within, ceiling, wanted) => {
  expect(isWithin(rulesOf(ceiling), rulesOf(wanted))).toBe(within);
});

test("narrowTo() adds what the ceiling denies", () => {
  const ceiling = rulesOf({ allowHosts: ["*.a.com"], denyHosts: ["x.a.com", "b.com"], allowPrivate: ["*.a.com"] });
  const wanted = rulesOf({ allowHosts: ["y.a.com"], denyHosts: ["b.com", "z.a.com"] });
  expect(narrowTo(ceiling, wanted)).toEqual({ ...wanted, denyHosts: ["x.a.com", "b.com", "z.a.com"] });
});

test("narrowTo() gives the ceiling's lists to rules that name nothing", () => {
  const ceiling = rulesOf({ presets: ["npm"], allowHosts: ["a.corp"], allowPrivate: ["a.corp"], denyHosts: ["b.com"] });
  expect(narrowTo(ceiling, rulesOf({ denyHosts: ["c.com"] }))).toEqual({ ...ceiling, denyHosts: ["b.com", "c.com"] });
  expect(narrowTo(ceiling, rulesOf({ mode: "off" }))).toEqual({ ...ceiling, mode: "off" });
});

test.each([
  [{ mode: "off" }, {}, "network policy 'egress' is wider than 'off', which is the limit"],
  [{ allowHosts: ["a.com"] }, { allowHosts: ["a.com", "b.com"] }, "allowed host 'b.com' is wider than the limit"],
  [{}, { allowPrivate: ["10.0.0.0/8"] }, "leave for private '10.0.0.0/8' is wider than the limit"],
  [
    { allowHosts: ["a.com"], allowPrivate: ["a.com"] },
    { allowPrivate: ["a.com"] },
    "they open the public internet, and the limit is a list of hosts",
  ],
] as const)("narrowTo() below %o refuses %o", (ceiling, wanted, reason) => {
  expect(() => narrowTo(rulesOf(ceiling), rulesOf(wanted))).toThrow(
    expect.objectContaining({
      code: "invalid_argument",
      message: `cannot use these network rules: ${reason}`,
      hint: "Ask for less, or let the user raise the limit where it is set.",
    }),
  );
});

const names = [
  "a.com",
  "x.a.com",
  "y.x.a.com",
  "b.com",
  "com",
  "db",
  "p.local",
  "localhost",
  "registry.npmjs.org",
  "pypi.org",
];
const addresses = [
  "8.8.8.8",
  "8.8.4.4",
  "10.0.0.5",
  "10.1.0.1",
  "11.0.0.1",
  "127.0.0.1",
  "169.254.169.254",
  "100.64.0.1",
  "0.0.0.0",
  "2606:4700::1",
  "fd00::1",
  "fd00:ec2::254",
  "::1",
  "::ffff:10.0.0.5",
  "64:ff9b::10.0.0.5",
  "64:ff9b::8.8.8.8",
  "2002:a00:5::1",
];
const networks = [
  "0.0.0.0/0",
  "8.8.8.0/24",
  "8.8.8.8",
  "10.0.0.0/7",
  "10.0.0.0/8",
  "10.0.0.0/16",
  "10.0.0.5",
  "127.0.0.1",
  "169.254.0.0/16",
  "::/0",
  "2606:4700::/32",
  "fd00::/16",
  "64:ff9b::/96",
  "64:ff9b::a00:0/104",
  "2002::/16",
  "2002:a00::/24",
  "::1",
];
const patterns = [
  "a.com",
  "*.a.com",
  "x.a.com",
  "*.x.a.com",
  "*.com",
  "db",
  "p.local",
  "*.local",
  "registry.npmjs.org",
];
const portTexts = ["", "", "", ":443", ":22", ":80-443", ":1-65535", ":440-450", ":1-442"];
const ports = [22, 25, 80, 443, 445, 8080, 9418];

const withPort = (target: string, port: string) =>
  target.includes(":") && port !== "" ? `[${target}]${port}` : `${target}${port}`;
const hostRule = fc
  .tuple(fc.constantFrom(...patterns, ...networks), fc.constantFrom(...portTexts))
  .map(([target, port]) => withPort(target, port));
const privateRule = fc.constantFrom(...patterns, ...networks.filter((text) => !/^(?:0.0.0.0|::)\/0$|\/7$/.test(text)));
const someRules: fc.Arbitrary<NetworkRules> = fc.record({
  mode: fc.constantFrom(...networkModes, "egress", "egress", "egress"),
  allowHosts: fc.array(hostRule, { maxLength: 3 }),
  denyHosts: fc.array(hostRule, { maxLength: 2 }),
  allowPrivate: fc.array(privateRule, { maxLength: 2 }),
  presets: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray(["npm", "pypi"]) }),
});

/** Rules that are often within others: a share of their lists, and something more to deny. */
function near(ceiling: NetworkRules): fc.Arbitrary<NetworkRules> {
  const share = (texts: readonly string[]) => fc.subarray([...texts]);
  const more = (rule: fc.Arbitrary<string>) => fc.array(rule, { maxLength: 1 });
  return fc.record({
    mode: fc.constantFrom(ceiling.mode, "egress" as const),
    allowHosts: fc.tuple(share(ceiling.allowHosts), more(hostRule)).map((lists) => lists.flat()),
    denyHosts: more(hostRule).map((added) => [...ceiling.denyHosts, ...added]),
    allowPrivate: fc.tuple(share(ceiling.allowPrivate), more(privateRule)).map((lists) => lists.flat()),
    presets: share(ceiling.presets),
  });
}

/** Everything of a small world that rules allow. */
function allowedBy(rules: NetworkRules): string[] {
  const policy = compilePolicy(rules);
  const found = names.filter((name) => policy.judgeName(name).allowed).map((name) => `name ${name}`);
  for (const port of ports) {
    for (const name of names) {
      if (policy.judgeNamed(name, port).allowed) found.push(`named ${name} ${port}`);
      found.push(...policy.dialable(name, port, addresses).allowed.map((address) => `${name} ${port} at ${address}`));
    }
    const literals = addresses.filter((address) => policy.judgeLiteral(address, port).allowed);
    found.push(...literals.map((address) => `literal ${address} ${port}`));
  }
  return found;
}

const pairs = someRules.chain((ceiling) =>
  fc.tuple(
    fc.constant(ceiling),
    fc.oneof({ weight: 4, arbitrary: near(ceiling) }, { weight: 1, arbitrary: someRules }),
  ),
);

test("what is within a ceiling allows nothing that the ceiling does not", () => {
  let within = 0;
  fc.assert(
    fc.property(pairs, ([ceiling, wanted]) => {
      if (!isWithin(ceiling, wanted)) return;
      within += 1;
      const ofCeiling = new Set(allowedBy(ceiling));
      expect(allowedBy(wanted).filter((found) => !ofCeiling.has(found))).toEqual([]);
    }),
    { numRuns: 500 },
  );
  // A check that never says yes would be sound, and useless.
  expect(within).toBeGreaterThan(100);
});

test("narrowed rules are within the ceiling, and allow nothing that was not wanted or inherited", () => {
  fc.assert(
    fc.property(pairs, ([ceiling, wanted]) => {
      let narrowed: NetworkRules;
      try {
        narrowed = narrowTo(ceiling, wanted);
      } catch {
        // Wider than the ceiling.
        return;
      }
      expect(isWithin(ceiling, narrowed)).toBe(true);
      expect(narrowTo(ceiling, narrowed)).toEqual(narrowed);
    }),
    { numRuns: 1000 },
  );
});

test("any rules are within themselves", () => {
  fc.assert(
    fc.property(someRules, (rules) => {
      expect(isWithin(rules, rules)).toBe(true);
    }),
  );
});

test("the way that a denial names allows what was denied", () => {
  const adding = (rules: NetworkRules, way: string): NetworkRules => {
    const values = (flag: string) =>
      [...way.matchAll(new RegExp(`--${flag} (\\S+)`, "g"))].map(([, value = ""]) => value);
    const [mode] = values("network-policy");
    return {
      mode: networkModes.find((known) => known === mode) ?? rules.mode,
      allowHosts: [...rules.allowHosts, ...values("allow-host")],
      denyHosts: rules.denyHosts,
      allowPrivate: [...rules.allowPrivate, ...values("allow-private")],
      presets: [...rules.presets, ...values("allow")],
    };
  };
  fc.assert(
    fc.property(
      someRules,
      fc.constantFrom(...names),
      fc.constantFrom(...addresses),
      fc.constantFrom(...ports),
      (rules, name, address, port) => {
        const policy = compilePolicy(rules);
        const asked = [
          (p: typeof policy) => p.judgeName(name),
          (p: typeof policy) => p.judgeNamed(name, port),
          (p: typeof policy) => p.judgeLiteral(address, port),
        ];
        for (const ask of asked) {
          const verdict = ask(policy);
          if (verdict.allowed || !verdict.howToAllow?.startsWith("--")) continue;
          expect(ask(compilePolicy(adding(rules, verdict.howToAllow)))).toEqual({ allowed: true });
        }
        for (const { howToAllow } of policy.dialable(name, port, [address]).refused) {
          if (!policy.judgeNamed(name, port).allowed || !howToAllow?.startsWith("--")) continue;
          expect(compilePolicy(adding(rules, howToAllow)).dialable(name, port, [address]).allowed).toHaveLength(1);
        }
      },
    ),
    { numRuns: 3000 },
  );
});
