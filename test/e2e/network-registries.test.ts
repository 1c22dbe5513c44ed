import { execFileSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pyro, TestCache } from "../helpers/cli.ts";
import { NetworkedGuest } from "../helpers/networked-guest.ts";
import { linkSharedTemplates } from "../helpers/templates.ts";
import { describeWithVm } from "../helpers/vm.ts";

/** A wheel of one module, `greeting`, whose WORD is "from the index" */
const wheelName = "greeting-1.0-py3-none-any.whl";
const wheel = Buffer.from(
  [
    "UEsDBBQAAAAIAAAAIVxr9WbRGgAAABgAAAALAAAAZ3JlZXRpbmcucHkL9w9yUbBVUEorys9VKMlIVcjMS0mtUOICAF",
    "BLAwQUAAAACAAAACFcAWF/eC0AAAAyAAAAHwAAAGdyZWV0aW5nLTEuMC5kaXN0LWluZm8vTUVUQURBVEHzTS1JTEks",
    "SdQNSy0qzszPs1Iw0jPk8kvMTbVSSC9KTS3JzEvngssZ6hlwAQBQSwMEFAAAAAgAAAAhXLDc46JMAAAASwAAABwAAA",
    "BncmVldGluZy0xLjAuZGlzdC1pbmZvL1dIRUVMC89ITc3RDUstKs7Mz7NSMNQz4HJPzUstSizJL7JSKEktLuEKys8v",
    "0fUs1g0oLUrNyUwCihaVpnKFJKZbKRRUGuvm5eel6ibmVXIBAFBLAwQUAAAACAAAACFcZ0hR6DsAAABvAAAAHQAAAG",
    "dyZWV0aW5nLTEuMC5kaXN0LWluZm8vUkVDT1JESy9KTS3JzEvXK6jU0eFKh/J0DfUM9FIyi0t0M/PS8vV9XUMcXRxD",
    "HHGrCPdwdfXBLR3k6uwf5AKUBwBQSwECFAMUAAAACAAAACFca/Vm0RoAAAAYAAAACwAAAAAAAAAAAAAAgAEAAAAAZ3",
    "JlZXRpbmcucHlQSwECFAMUAAAACAAAACFcAWF/eC0AAAAyAAAAHwAAAAAAAAAAAAAAgAFDAAAAZ3JlZXRpbmctMS4w",
    "LmRpc3QtaW5mby9NRVRBREFUQVBLAQIUAxQAAAAIAAAAIVyw3OOiTAAAAEsAAAAcAAAAAAAAAAAAAACAAa0AAABncm",
    "VldGluZy0xLjAuZGlzdC1pbmZvL1dIRUVMUEsBAhQDFAAAAAgAAAAhXGdIUeg7AAAAbwAAAB0AAAAAAAAAAAAAAIAB",
    "MwEAAGdyZWV0aW5nLTEuMC5kaXN0LWluZm8vUkVDT1JEUEsFBgAAAAAEAAQAGwEAAKkBAAAAAA==",
  ].join(""),
  "base64",
);

describeWithVm("packages and sources, through a way out by name", () => {
  test("come from an index and a repository on loopback", async () => {
    const dir = await mkdtemp(join(tmpdir(), "pyro-registry-"));
    const git = (...args: string[]) => execFileSync("git", ["-C", dir, ...args], { stdio: "pipe" });
    const server = createServer((request, response) => void answer(dir, request.url ?? "", response));
    await using guest = await NetworkedGuest.open();
    try {
      git("init", "-q", "-b", "main", "source");
      await writeFile(join(dir, "source", "file"), "from the repository\n");
      const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
      git("-C", "source", "add", "file");
      git("-C", "source", ...who, "commit", "-q", "-m", "first");
      git("clone", "-q", "--bare", "source", "repository.git");
      git("-C", "repository.git", "update-server-info");
      server.listen({ host: "127.0.0.2", port: 0 });
      await new Promise((resolve) => server.once("listening", resolve));
      const { port } = server.address() as AddressInfo;
      guest.names.set("index.test", ["127.0.0.2"]);
      guest.allow({ allowHosts: [`index.test:${port}`], allowPrivate: ["127.0.0.2"] });
      const url = `http://index.test:${port}`;
      const { stdout, stderr, use } = await guest.run(`
        cd /tmp
        git clone -q ${url}/repository.git cloned && cat cloned/file
        pip install -q --no-input --disable-pip-version-check --target got --index-url ${url}/simple --trusted-host index.test greeting &&
          PYTHONPATH=got python3 -c 'import greeting; print(greeting.WORD)'
        git ls-remote https://other.test/x
      `);
      expect({ stdout, stderr }).toMatchObject({ stdout: "from the repository\nfrom the index\n" });
      expect(use?.denied).toMatchObject([{ host: "other.test", process: expect.stringContaining("git") }]);
      expect(use?.allowed["index.test"]).toBeGreaterThan(1);
    } finally {
      server.close();
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("come from the real Python index, where this machine reaches it", async (context) => {
    const found = await lookup("pypi.org", { all: true }).catch(() => []);
    if (found.length === 0) context.skip("this machine does not resolve pypi.org");
    const files = await lookup("files.pythonhosted.org", { all: true }).catch(() => []);
    // In a network of its own an index can have an address that is not public.
    const leave = [...found, ...files].flatMap(({ address }) => ["--allow-private", address]);
    await using cache = await TestCache.create();
    await linkSharedTemplates(cache.dir);
    const command = [
      "sh",
      "-c",
      "pip download -q --no-deps --disable-pip-version-check -d /tmp/got six && ls /tmp/got",
    ];
    const flags = ["--network", "--allow", "pypi", ...leave, "--host-certificates", "--timeout-seconds", "200"];
    const result = await pyro(["run", "debian:12", ...flags, "--json", "--", ...command], { env: cache.env });
    const output = result.json();
    expect(output, String(output["stderr"])).toMatchObject({
      exit_code: 0,
      stdout: expect.stringMatching(/^six-.*whl/),
    });
    expect(output["network"]).toMatchObject({ denied: [], failed: [] });
  });
});

async function answer(dir: string, url: string, response: ServerResponse): Promise<void> {
  const path = url.split("?")[0] ?? "";
  if (path.endsWith(wheelName)) return void response.end(wheel);
  if (path === "/simple/greeting/") {
    response.setHeader("content-type", "text/html");
    return void response.end(`<a href="/${wheelName}">${wheelName}</a>`);
  }
  try {
    response.end(await readFile(join(dir, path)));
  } catch {
    response.statusCode = 404;
    response.end();
  }
}
