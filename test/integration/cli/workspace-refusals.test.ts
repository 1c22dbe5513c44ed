import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pyro, TestCache } from "../../helpers/cli.ts";
import { pyroInProcess } from "../../helpers/cli-in-process.ts";
import { describeEverySurface } from "../../helpers/every-surface.ts";
import { cliSurface, sdkSurface } from "../../helpers/surfaces.ts";

const id = "0a1b2c3d4e5f";
const create = { environment: "debian:12" };

let cache: TestCache;
let dir: string;
beforeAll(async () => {
  cache = await TestCache.create();
  dir = await mkdtemp(join(tmpdir(), "pyro-refusals-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  await cache[Symbol.asyncDispose]();
});

const tooLong = "x".repeat(121);

/** Operation, input, code and message; none of them needs a virtual machine. */
const refused: readonly [string, string, object, string, RegExp][] = [
  ["an unknown workspace", "status", { workspaceId: id }, "not_found", /^there is no workspace '0a1b2c3d4e5f'$/],
  [
    "no identifier at all",
    "status",
    { workspaceId: "../../etc" },
    "not_found",
    /^there is no workspace '..\/..\/etc'$/,
  ],
  ["an unknown workspace to run in", "exec", { workspaceId: id, command: ["true"] }, "not_found", /^there is no/],
  ["an unknown workspace to delete", "delete", { workspaceId: id }, "not_found", /^there is no workspace/],
  ["an unknown workspace to reset", "reset", { workspaceId: id }, "not_found", /^there is no workspace/],
  [
    "a path outside",
    "file.read",
    { workspaceId: id, path: "/etc/passwd" },
    "invalid_argument",
    /not under \/workspace/,
  ],
  ["a path that climbs out", "file.list", { workspaceId: id, path: "a/../.." }, "invalid_argument", /not under/],
  [
    "the workspace as a file",
    "file.write",
    { workspaceId: id, path: ".", text: "" },
    "invalid_argument",
    /workspace itself/,
  ],
  ["a patch that is none", "patch.apply", { workspaceId: id, patch: "nonsense\n" }, "invalid_argument", /patch/],
  ["an unknown environment", "create", { environment: "debian:13" }, "invalid_argument", /^unknown environment/],
  [
    "a rule that is a URL",
    "create",
    { ...create, networkPolicy: "egress", allowHosts: ["https://example.com/"] },
    "invalid_argument",
    /^cannot allow host 'https:\/\/example.com\/'/,
  ],
  [
    "an unknown preset",
    "create",
    { ...create, networkPolicy: "egress", allow: ["cobol"] },
    "invalid_argument",
    /^cannot use preset 'cobol': there is no such preset/,
  ],
  [
    "rules without a way out",
    "create",
    { ...create, allowHosts: ["example.com"] },
    "invalid_argument",
    /^cannot use rules about hosts: the guest has no way out/,
  ],
  ["no isolation", "create", { ...create, allowHostCompat: true }, "unsupported", /always virtual machines/],
  [
    "a seed that is not there",
    "create",
    { ...create, seedPath: "/nonexistent/seed" },
    "not_found",
    /\/nonexistent\/seed/,
  ],
  ["a seed that is no archive", "create", { ...create, seedPath: "/etc/passwd" }, "invalid_argument", /\/etc\/passwd/],
  ["a name that is too long", "create", { ...create, name: tooLong }, "invalid_argument", /^cannot name a workspace/],
  ["a bad label", "create", { ...create, labels: { "-x": "1" } }, "invalid_argument", /^cannot set label '-x'/],
  [
    "a label's value of two lines",
    "create",
    { ...create, labels: { x: "1\n2" } },
    "invalid_argument",
    /^cannot set label/,
  ],
  ["no time to live", "create", { ...create, ttlSeconds: 0 }, "invalid_argument", /ttl[-_]?seconds/i],
  ["an endless life", "create", { ...create, ttlSeconds: 1e9 }, "invalid_argument", /ttl[-_]?seconds/i],
  [
    "a limit that is none",
    "file.read",
    { workspaceId: id, path: "a", maxBytes: 0 },
    "invalid_argument",
    /max[-_]?bytes/i,
  ],
  ["a name to set and to clear", "update", { workspaceId: id, name: "x", clearName: true }, "invalid_argument", /both/],
];

describeEverySurface(
  () => cache.env,
  (surface) => {
    test.each(refused)("%s is refused", async (_what, operation, input, code, message) => {
      const refusal = await surface().refusal(`workspace.${operation}`, { ...input });
      expect(refusal).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(refusal.message).not.toMatch(/\n|\.$/);
    });

    test.each(["not_found", "unsupported"])("what is %s comes with something to do", async (wanted) => {
      for (const [what, operation, input, code] of refused.filter((row) => row[3] === wanted)) {
        const { hint } = await surface().refusal(`workspace.${operation}`, { ...input });
        expect(hint, `${what}: ${code}`).toMatch(/^[A-Z].*\.$|^[A-Z].*`.*`/);
      }
    });
  },
);

test("a refusal is one line for people, and one object for programs", async () => {
  const words = ["workspace", "exec", id, "--", "true"];
  const human = await pyro(words, { env: cache.env });
  expect(human.stderr).toBe(
    `[error] there is no workspace '${id}' (Run \`pyro workspace list\` to see which there are.)\n`,
  );
  expect([human.exitCode, human.stdout.toString()]).toEqual([125, ""]);
  const json = await pyro(["workspace", "exec", id, "--json", "--", "true"], { env: cache.env });
  expect(json.json()).toEqual({
    ok: false,
    error: {
      code: "not_found",
      message: `there is no workspace '${id}'`,
      hint: "Run `pyro workspace list` to see which there are.",
      retryable: false,
    },
  });
  expect([json.exitCode, json.stderr]).toEqual([125, ""]);
});

test.each([
  ["a label without a value", ["create", "debian:12", "--label", "x"], "--label: 'x' is not KEY=VALUE"],
  ["a label twice", ["update", id, "--label", "x=1", "--label", "x=2"], "--label: 'x' is given twice"],
  ["no command", ["exec", id], "missing required argument 'command'"],
  ["no output", ["export", id, "a"], "--output: "],
  ["no text", ["file", "write", id, "a"], "--text: "],
  ["no patch", ["patch", "apply", id], "--patch: "],
  [
    "a file for text that is not there",
    ["file", "write", id, "a", "--text-file", "/nonexistent"],
    "--text-file: cannot read",
  ],
])("%s is a usage error on one line", async (_what, words, message) => {
  const result = await pyroInProcess(["workspace", ...words], { env: cache.env });
  expect(result.stderr).toContain(`[error] ${message}`);
  expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(result.exitCode).toBe(words[0] === "exec" ? 125 : 2);
});

test("nothing that was refused has left anything behind", async () => {
  expect(await cliSurface(cache.env).call("workspace.list")).toEqual({ count: 0, workspaces: [] });
});

test("no workspaces are none, in words too", async () => {
  expect((await pyro(["workspace", "list"], { env: cache.env })).stdout.toString()).toBe("No workspaces.\n");
});

test("a bad limit of workspaces is a usage error", async () => {
  const result = await pyro(["workspace", "list"], { env: { ...cache.env, PYRO_MAX_ACTIVE_WORKSPACES: "none" } });
  expect(result.stderr).toMatch(/^\[error\] cannot use PYRO_MAX_ACTIVE_WORKSPACES='none'/);
  expect(result.exitCode).toBe(2);
});

test("a file of the library's own is not needed for a refusal", async () => {
  await writeFile(join(dir, "empty.tar"), "");
  const refusal = await sdkSurface(cache.env).refusal("workspace.create", {
    ...create,
    seedPath: join(dir, "nope.tar"),
  });
  expect(refusal.code).toBe("not_found");
});
