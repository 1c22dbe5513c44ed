import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestOfAgent } from "../../../src/machines/templates/ensure.ts";
import { engineContext } from "../../helpers/engine-context.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-agent-digest-"));
  await writeFile(join(dir, "vast"), "");
  await truncate(join(dir, "vast"), 1024 ** 4);
});
afterAll(() => rm(dir, { recursive: true }));

test.each([
  ["an endless device", "/dev/zero", /'\/dev\/zero': it is a character device$/],
  ["the kernel's messages", "/proc/kmsg", /it is in a proc file system/],
  ["a directory", "/etc", /it is a directory$/],
  ["a terabyte", "vast", /it is larger than 256 MiB$/],
])("%s is no agent, which is told at once", async (_what, name, message) => {
  const { layout } = engineContext(dir);
  const agentPath = name.startsWith("/") ? name : join(dir, name);
  await expect(digestOfAgent({ layout: { ...layout, agentPath } })).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(message),
  });
});
