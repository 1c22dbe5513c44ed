import { expect, test } from "vitest";
import { networkLines } from "../../../../src/operations/network-view.ts";
import type { Operation } from "../../../../src/operations/operation.ts";
import { workspaceExec } from "../../../../src/workspaces/command/exec-operation.ts";

const network = {
  allowed: { "pypi.org": 3 },
  denied: [
    {
      host: "registry.npmjs.org",
      port: null,
      rule: "not in --allow",
      process: "npm",
      count: 2,
      howToAllow: "--allow npm",
    },
    {
      host: "2001:db8::7",
      port: 443,
      rule: "--deny-host ::/0",
      process: null,
      count: 1,
      howToAllow: "remove --deny-host ::/0",
    },
    { host: "127.0.0.1", port: 80, rule: "127.0.0.1 is loopback", process: "curl", count: 1, howToAllow: "" },
  ],
  failed: [{ host: "example.com", port: 443, reason: "nothing answers", process: "curl", count: 1 }],
  secrets: [],
};

const output = {
  ...{
    workspaceId: "0a1b2c3d4e5f",
    sequence: 3,
    command: ["npm", "ci"],
    cwd: "/workspace",
    running: false,
    exitCode: 1,
  },
  ...{ signal: null, timedOut: false, oomKilled: false, startError: null, syncError: null },
  ...{ stdout: "", stderr: "", stdoutEncoding: "utf-8", stderrEncoding: "utf-8" },
  ...{ stdoutBytes: 0, stderrBytes: 0, truncated: false, durationMs: 1234, network, advice: null },
  ...{ executionMode: "guest", isolation: { vmm: "qemu", accelerator: "kvm" } },
};

test("a model reads what was denied, to whom, and what its user can do", () => {
  const { mcp } = workspaceExec as unknown as Operation;
  expect(mcp?.text?.(output as never)).toContain(`
Network: denied registry.npmjs.org (npm, 2 times): not in --allow; to allow it: the user can run \`pyro workspace update 0a1b2c3d4e5f --allow npm\`
Network: denied [2001:db8::7]:443: --deny-host ::/0; to allow it: the user can remove --deny-host ::/0
Network: denied 127.0.0.1:80 (curl): 127.0.0.1 is loopback
Network: not reached: example.com:443 (curl): nothing answers
`);
});

test("a command that tried nothing has no line, and one that tried everything a few", () => {
  expect(networkLines(null)).toEqual([]);
  const many = {
    ...network,
    denied: Array.from({ length: 20 }, () => network.denied[2]).filter((each) => each !== undefined),
  };
  expect(networkLines(many)).toHaveLength(9);
  expect(networkLines(many).at(-1)).toBe("and 13 more");
});

test("what a guest calls itself cannot draw on a terminal", () => {
  const [line] = networkLines({
    ...network,
    denied: [{ host: "a\u001b[2Jb", port: 1, rule: "a rule", process: "\u0007x", count: 1, howToAllow: "" }],
  });
  expect(line).toBe("denied a?[2Jb:1 (?x): a rule");
});
