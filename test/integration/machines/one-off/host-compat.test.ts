import { afterAll, beforeAll, expect, test } from "vitest";
import { Pyro } from "../../../../src/index.ts";
import { TestCache } from "../../../helpers/cli.ts";
import { SearchPath } from "../../../helpers/search-path.ts";

let cache: TestCache;
beforeAll(async () => {
  cache = await TestCache.create();
});
afterAll(() => cache[Symbol.asyncDispose]());

test.each([
  ["bash, where the host has it", ["setpriv", "flock", "sh", "bash"], "bash\n"],
  ["sh, where it does not", ["setpriv", "flock", "sh"], "sh\n"],
])("a text is run by %s", async (_what, programs, stdout) => {
  // Without QEMU commands run on the host.
  await using path = await SearchPath.with(...programs);
  const pyro = new Pyro({ env: { ...cache.env, PATH: path.dir } });
  const command = '[ -n "$BASH_VERSION" ] && echo bash || echo sh; exit $((1 + 2))';
  const result = await pyro.run({ environment: "debian:12", command, allowHostCompat: true });
  expect(result).toMatchObject({
    executionMode: "host_compat",
    command: [command],
    exitCode: 3,
    stdout,
    stdoutBytes: stdout.length,
  });
});
