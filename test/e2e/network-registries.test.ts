import { execFileSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pyro, TestCache } from "../helpers/cli.ts";
import { NetworkedGuest } from "../helpers/networked-guest.ts";
import { linkSharedTemplates } from "../helpers/templates.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { addDebianIndex } from "./registries/debian-index.ts";
import { addNpmRegistry } from "./registries/npm-registry.ts";
import { addPythonIndex } from "./registries/python-index.ts";
import type { Shelf } from "./registries/shelf.ts";

describeWithVm("packages and sources, through a way out by name", () => {
  const shelf: Shelf = new Map();
  let dir: string;
  let server: Server;
  let url: string;
  let guest: NetworkedGuest;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "pyro-registry-"));
    server = createServer(({ url: path = "" }, response) => {
      const found = shelf.get(new URL(path, url).pathname);
      response.statusCode = found === undefined ? 404 : 200;
      if (path.startsWith("/simple/")) response.setHeader("content-type", "text/html");
      response.end(found);
    });
    await new Promise<void>((resolve) => server.listen({ host: "127.0.0.2", port: 0 }, resolve));
    const { port } = server.address() as AddressInfo;
    url = `http://index.test:${port}`;
    guest = await NetworkedGuest.open();
    guest.names.set("index.test", ["127.0.0.2"]);
    guest.allow({ allowHosts: [`index.test:${port}`], allowPrivate: ["127.0.0.2"] });
  });
  afterAll(async () => {
    await guest?.[Symbol.asyncDispose]();
    server?.close();
    await rm(dir, { recursive: true, force: true });
  });

  test("come by git from a repository", async () => {
    const git = (...args: string[]) => execFileSync("git", ["-C", dir, ...args], { stdio: "pipe" });
    git("init", "-q", "-b", "main", "source");
    await writeFile(join(dir, "source", "file"), "from the repository\n");
    const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    git("-C", "source", "add", "file");
    git("-C", "source", ...who, "commit", "-q", "-m", "first");
    git("clone", "-q", "--bare", "source", "repository.git");
    git("-C", "repository.git", "update-server-info");
    for (const entry of await readdir(join(dir, "repository.git"), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) shelf.set(path.slice(dir.length), await readFile(path));
    }
    const { stdout, stderr, use } = await guest.run(`
      git clone -q ${url}/repository.git /tmp/cloned && cat /tmp/cloned/file
      git ls-remote https://other.test/x
    `);
    expect(stdout, stderr).toBe("from the repository\n");
    expect(use?.denied).toMatchObject([{ host: "other.test", process: expect.stringContaining("git") }]);
    expect(use?.allowed["index.test"]).toBeGreaterThan(0);
  });

  test("come by pip from an index", async () => {
    addPythonIndex(shelf);
    const options = `-q --no-input --disable-pip-version-check --index-url ${url}/simple --trusted-host index.test`;
    const { stdout, stderr } = await guest.run(`
      pip install ${options} --target /tmp/got greeting
      PYTHONPATH=/tmp/got python3 -c 'import greeting; print(greeting.WORD)'
    `);
    expect(stdout, stderr).toBe("from the index\n");
  });

  test("come by apt-get from an archive", async () => {
    await addDebianIndex(shelf, dir);
    const { stdout, stderr } = await guest.run(`
      echo 'deb [trusted=yes] ${url}/debian ./' > /tmp/sources.list
      apt() { apt-get -qq -o Dir::Etc::SourceList=/tmp/sources.list -o Dir::Etc::SourceParts=- "$@"; }
      apt update && apt install hello-speaker > /tmp/log || cat /tmp/log
      hello-speaker
    `);
    expect(stdout, stderr).toBe("hello from the archive\n");
  });

  test("come by npm from a registry", async (context) => {
    // The environment has no Node.js, so the guest gets the one that runs this test. Where machine
    // code is translated, npm is twice as fast without code that is made as it runs.
    const npmDir = dirname(dirname(execFileSync("readlink", ["-f", npmPath()], { encoding: "utf8" }).trim()));
    const npmArchive = execFileSync("tar", ["-C", npmDir, "-c", "."], { maxBuffer: 1024 ** 3 });
    shelf.set("/node", await readFile(process.execPath)).set("/npm.tar", npmArchive);
    const { exitCode, stderr: reason } = await guest.run(`
      mkdir /tmp/npm && cd /tmp && curl -sf ${url}/npm.tar | tar -x -C npm && curl -sfo node ${url}/node
      chmod +x node && ./node --version
    `);
    if (exitCode !== 0 && process.env["PYRO_REQUIRE_VM"] !== "1")
      context.skip(`this Node.js does not run there: ${reason}`);
    expect({ exitCode, reason }).toMatchObject({ exitCode: 0 });
    for (const [name, text] of Object.entries(await addNpmRegistry(shelf, dir, url)))
      shelf.set(`/project/${name}`, text);
    const { stdout, stderr, use } = await guest.run(`
      mkdir /tmp/project && cd /tmp/project
      curl -sfO ${url}/project/package.json -O ${url}/project/package-lock.json
      /tmp/node --jitless /tmp/npm/bin/npm-cli.js ci --registry ${url} --no-audit --no-fund --fetch-retries 0 --loglevel error >&2
      /tmp/node -p 'require("cross-spawn").sync("echo", ["from the registry"]).stdout.toString().trim()'
    `);
    expect(stdout, stderr).toBe("from the registry\n");
    expect(use).toMatchObject({ denied: [], failed: [] });
  });
});

function npmPath(): string {
  return execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim();
}

describeWithVm("packages from the internet", () => {
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
