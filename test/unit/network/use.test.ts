import { expect, test } from "vitest";
import { NetworkTally } from "../../../src/network/use.ts";

test("attempts that are alike are counted together", () => {
  const tally = new NetworkTally();
  const denied = { host: "a.test", port: 443, verdict: "denied", rule: "a rule", howToAllow: "a flag" } as const;
  tally.count({ ...denied, process: "curl" });
  tally.count({ ...denied, process: "curl" });
  tally.count({ ...denied, process: "wget" });
  tally.count({ host: "b.test", port: 80, process: "curl", verdict: "allowed" });
  tally.count({ host: "b.test", port: 443, process: null, verdict: "allowed" });
  tally.count({ host: "c.test", port: 443, process: null, verdict: "failed", reason: "no answer" });
  expect(tally.use).toEqual({
    allowed: { "b.test": 2 },
    denied: [
      { host: "a.test", port: 443, rule: "a rule", process: "curl", count: 2, howToAllow: "a flag" },
      { host: "a.test", port: 443, rule: "a rule", process: "wget", count: 1, howToAllow: "a flag" },
    ],
    failed: [{ host: "c.test", port: 443, reason: "no answer", process: null, count: 1 }],
    secrets: [],
  });
});

test("a guest that tries everything fills no memory", () => {
  const tally = new NetworkTally();
  for (let index = 0; index < 10_000; index++) {
    const host = `h${index}.test`;
    tally.count({ host, port: 1, process: "scan", verdict: "denied", rule: "a rule", howToAllow: "" });
    tally.count({ host, port: 1, process: "scan", verdict: "allowed" });
  }
  expect(tally.use?.denied).toHaveLength(50);
  expect(Object.keys(tally.use?.allowed ?? {})).toHaveLength(50);
});
