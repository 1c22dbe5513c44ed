import { mkdtempSync } from "node:fs";
import { rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Pyro } from "../../../src/index.ts";
import { TestCache } from "../../helpers/cli.ts";
import { describeEverySurface } from "../../helpers/every-surface.ts";
import { cliSurface } from "../../helpers/surfaces.ts";
import { shell } from "../tree/folder.ts";

/** Known before the tests are, because their table has paths in it */
const dir = mkdtempSync(join(tmpdir(), "pyro-host-paths-"));
const gibibyte = 1024 ** 3;

let cache: TestCache;
beforeAll(async () => {
  cache = await TestCache.create();
  await shell('mkfifo "$1/pipe"', dir);
  await symlink("/dev/zero", join(dir, "device"));
  await symlink(join(dir, "loop"), join(dir, "loop"));
  for (const [name, bytes] of [
    ["vast.tar", 1024 * gibibyte],
    ["zeros.tar", 20 * gibibyte],
  ] as const) {
    await writeFile(join(dir, name), "");
    await truncate(join(dir, name), bytes);
  }
});
afterAll(async () => {
  await cache[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const id = "0a1b2c3d4e5f";

/** Fields of every operation that name something on this host. */
const sources = [
  ["workspace.create", "seedPath", { environment: "debian:12" }],
  ["workspace.sync.push", "sourcePath", { workspaceId: id }],
] as const;
const fields = [...sources, ["workspace.export", "outputPath", { workspaceId: id, path: "a" }]] as const;

const noSource: readonly [what: string, path: string, code: string, message: RegExp][] = [
  ["an endless device", "/dev/zero", "invalid_argument", /'\/dev\/zero': it is a character device$/],
  ["a link to one", join(dir, "device"), "invalid_argument", /it is a character device$/],
  ["a pipe", join(dir, "pipe"), "invalid_argument", /it is a pipe$/],
  ["the kernel's messages", "/proc/kmsg", "invalid_argument", /it is in a proc file system, whose files/],
  ["all processes", "/proc", "invalid_argument", /'\/proc': it is in a proc file system, whose files/],
  ["the kernel's settings", "/sys/kernel", "invalid_argument", /it is in a sysfs file system, whose files/],
  ["a link to itself", join(dir, "loop"), "failed_precondition", /it is a symbolic link that leads back to itself$/],
  ["a terabyte", join(dir, "vast.tar"), "resource_exhausted", /it is larger than 34 GiB, which is the limit$/],
  ["gigabytes of zeros", join(dir, "zeros.tar"), "invalid_argument", /it begins with zeros, like no archive$/],
  ["a name of 300 characters", join(dir, "x".repeat(300)), "invalid_argument", /it is longer than Linux takes$/],
];

const noPath: readonly [what: string, path: string, message: RegExp][] = [
  ["a NUL", "/tmp/a\0b", /: it has a NUL character in it$/],
  ["5,000 characters", "x/".repeat(2500), /: it is longer than 4095 bytes$/],
  ["half a character", "/tmp/\ud800", /: it has half of a surrogate pair in it$/],
];

describeEverySurface(
  () => cache.env,
  (surface) => {
    test.each(
      sources.flatMap(([operation, field, input]) => noSource.map((row) => [operation, field, input, ...row] as const)),
    )("%s with %s %j: %s is refused", async (operation, field, input, _what, path, code, message) => {
      const refusal = await surface().refusal(operation, { ...input, [field]: path });
      expect(refusal).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
    });

    test.each(
      fields.flatMap(([operation, field, input]) => noPath.map((row) => [operation, field, input, ...row] as const)),
    )("%s with %s %j: %s is refused", async (operation, field, input, _what, path, message) => {
      // JSON has no half characters: the client has already replaced them.
      if (surface().name === "the MCP server" && /\p{Surrogate}/u.test(path)) return;
      const refusal = await surface().refusal(operation, { ...input, [field]: path });
      expect(refusal).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
    });
  },
);

test.each([
  "PYRO_CACHE_DIR",
  "PYRO_STATE_DIR",
  "PYRO_ENVIRONMENT_CACHE_DIR",
  "PYRO_AGENT_PATH",
  "PYRO_DEBIAN_MIRROR",
  "PATH",
])("a NUL in %s is refused", (name) => {
  expect(() => new Pyro({ env: { ...cache.env, [name]: "/tmp/a\0b" } })).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(name) }),
  );
});

test("what was refused has left nothing behind", async () => {
  expect(await cliSurface(cache.env).call("workspace.list")).toEqual({ count: 0, workspaces: [] });
});
