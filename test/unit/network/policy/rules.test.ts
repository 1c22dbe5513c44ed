import { expect, test } from "vitest";
import { checkWire, explainMismatch, fromWire, toWire } from "../../../../src/core/wire-case.ts";
import { compilePolicy } from "../../../../src/network/policy/policy.ts";
import { presets } from "../../../../src/network/policy/presets.ts";
import {
  allowsEgress,
  allowsPublishedPorts,
  networkModes,
  networkRulesSchema,
} from "../../../../src/network/policy/rules.ts";
import { rulesOf } from "./rules-of.ts";

test("lists are empty unless they are given, and the mode must be", () => {
  expect(networkRulesSchema.parse({ mode: "off" })).toEqual(rulesOf({ mode: "off" }));
  expect(networkRulesSchema.safeParse({}).success).toBe(false);
  expect(networkRulesSchema.safeParse({ mode: "on" }).success).toBe(false);
});

test("what the modes allow", () => {
  expect(networkModes.map((mode) => [mode, allowsEgress(mode), allowsPublishedPorts(mode)])).toEqual([
    ["off", false, false],
    ["egress", true, false],
    ["egress+published-ports", true, true],
    ["published-ports", false, true],
  ]);
});

test("rules go to JSON and back", () => {
  const rules = rulesOf({
    allowHosts: ["a.com"],
    denyHosts: ["b.a.com"],
    allowPrivate: ["10.0.0.0/8"],
    presets: ["npm"],
  });
  const wire = toWire(checkWire(networkRulesSchema), rules);
  expect(wire).toMatchObject({ allow_hosts: ["a.com"], deny_hosts: ["b.a.com"], allow_private: ["10.0.0.0/8"] });
  expect(fromWire(networkRulesSchema, wire)).toEqual(rules);
});

const known = presets.map(({ name }) => name).join(", ");

test.each([
  [
    { allowHosts: ["a.com", "*"] },
    "allow_hosts.1: cannot allow host '*': it means every host. Name no allowed hosts and no presets, and egress is to the whole public internet.",
  ],
  [
    { denyHosts: ["a.com:0"] },
    "deny_hosts.0: cannot deny host 'a.com:0': its port is out of range. Write a port from 1 to 65535.",
  ],
  [
    { allowPrivate: ["::/0"] },
    "allow_private.0: cannot allow private destination '::/0': it is wider than /16. Name only the networks that are meant, such as 10.0.0.0/8.",
  ],
  [{ presets: ["nmp"] }, `presets.0: cannot use preset 'nmp': there is no such preset. Choose one of ${known}.`],
  [{ allowHosts: ["a".repeat(401)] }, "allow_hosts.0: it must be at most 400 characters long"],
  [{ allowHosts: Array.from({ length: 1001 }, () => "a.com") }, "allow_hosts: it must be at most 1000 values"],
])("the schema refuses %o", (lists, expected) => {
  const { error } = networkRulesSchema.safeParse(rulesOf(lists));
  expect(error && explainMismatch(error)).toBe(expected);
});

test.each([
  [{ allowHosts: ["https://x/"] }, "cannot allow host 'https://x/': it is a URL", "Write its host alone: x."],
  [{ denyHosts: ["a*"] }, "cannot deny host 'a*': a * can only be all of the first label", "Write NAME or *.NAME."],
  [{ presets: [""] }, "cannot use preset '': there is no such preset", `Choose one of ${known}.`],
])("compilePolicy() refuses %o, in any mode", (lists, message, hint) => {
  expect(() => compilePolicy(rulesOf(lists))).toThrow(
    expect.objectContaining({ code: "invalid_argument", message, hint }),
  );
  expect(() => compilePolicy(rulesOf({ ...lists, mode: "off" }))).toThrow(message);
});
