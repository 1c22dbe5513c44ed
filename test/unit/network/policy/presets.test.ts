import { expect, test } from "vitest";
import { parseHostRule } from "../../../../src/network/policy/host-rule.ts";
import { compilePolicy } from "../../../../src/network/policy/policy.ts";
import { presets } from "../../../../src/network/policy/presets.ts";
import { rulesOf } from "./rules-of.ts";

test("presets have names of their own, and rules for names on few ports", () => {
  const names = presets.map(({ name }) => name);
  expect(names).toEqual(["public", "npm", "pypi", "crates", "go", "debian", "rubygems", "maven", "github"]);
  const rules = presets.flatMap((preset) => preset.rules);
  expect(new Set(rules).size).toBe(rules.length);
  for (const rule of rules) {
    const { target, ports } = parseHostRule(rule, "allow host");
    expect(target.kind).toBe("name");
    expect(ports.every(({ from, to }) => from === to && [22, 80, 443].includes(from))).toBe(true);
  }
});

test.each([
  ["npm", "registry.npmjs.org", 443, 80],
  ["pypi", "files.pythonhosted.org", 443, 22],
  ["crates", "static.crates.io", 443, 80],
  ["go", "proxy.golang.org", 443, 80],
  ["debian", "deb.debian.org", 80, 22],
  ["debian", "security.debian.org", 443, 21],
  ["rubygems", "index.rubygems.org", 443, 80],
  ["maven", "repo1.maven.org", 443, 80],
  ["github", "github.com", 22, 9418],
  ["github", "raw.githubusercontent.com", 443, 80],
])("%s opens %s on port %i, not on %i, and nothing else", (preset, host, open, closed) => {
  const policy = compilePolicy(rulesOf({ presets: [preset] }));
  expect(policy.judgeName(host)).toEqual({ allowed: true });
  expect(policy.judgeNamed(host, open)).toEqual({ allowed: true });
  expect(policy.judgeNamed(host, closed)).toEqual({
    allowed: false,
    rule: `port ${closed} of ${host} is not in --allow`,
    howToAllow: `--allow-host ${host}${closed === 80 ? "" : `:${closed}`}`,
  });
  expect(policy.judgeName("example.com")).toMatchObject({ allowed: false, rule: "not in --allow" });
  expect(policy.judgeName(`x.${host}`)).toMatchObject({ allowed: host.endsWith(".githubusercontent.com") });
  expect(policy.judgeLiteral("8.8.8.8", 443)).toMatchObject({ allowed: false, rule: "not in --allow" });
});
