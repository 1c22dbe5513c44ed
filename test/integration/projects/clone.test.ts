import { access, mkdir, readdir, readFile, realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { cloneCommit } from "../../../src/projects/clone.ts";
import { type CloneSource, projectFromUrl, type ResolvedCommit, resolveCommit } from "../../../src/projects/remote.ts";
import { gitScript, makeRepository } from "../../helpers/git-repository.ts";
import { emptyFolder } from "../tree/folder.ts";

/**
 * Two commits on `main`, a branch, tags with and without a message, and a commit that nothing leads
 * to.
 */
const history = `
echo one > file; mkdir sub; echo x > sub/x; chmod 755 sub/x; ln -s sub/x link; git add -A; git commit -qm one
git tag light; git tag -a -m message heavy
git checkout -qb feature/x; echo feature > file; git commit -qam feature
git checkout -q --detach main; echo lost > file; git commit -qam lost; git rev-parse HEAD > .git/lost
git update-ref refs/pull/1/head feature/x
git checkout -q main; echo two > file; git commit -qam two`;

test.each([
  [undefined, "main", "two"],
  ["HEAD", "main", "two"],
  ["main", "main", "two"],
  ["refs/heads/feature/x", "feature/x", "feature"],
  ["feature/x", "feature/x", "feature"],
  ["light", undefined, "one"],
  ["heavy", undefined, "one"],
  ["refs/tags/heavy", undefined, "one"],
  ["refs/pull/1/head", undefined, "feature"],
])("of ref %s branch %s is checked out, if it is one", async (ref, branch, content) => {
  const { url } = await repository(history);
  const { dir, resolved } = await cloned(url, ref);
  expect(resolved.branch).toBe(branch);
  expect(await readFile(join(dir, "file"), "utf8")).toBe(`${content}\n`);
  expect(gitScript(dir, "git rev-parse HEAD").trim()).toBe(resolved.commit);
  expect(gitScript(dir, "git status --porcelain")).toBe("");
  const head = gitScript(dir, "git symbolic-ref -q --short HEAD || echo detached").trim();
  expect(head).toBe(branch ?? "detached");
  if (branch) expect(gitScript(dir, "git rev-parse --abbrev-ref @{upstream}").trim()).toBe(`origin/${branch}`);
});

test("a clone is complete, clean and as umask 022 makes it", async () => {
  const { url } = await repository(history);
  const { dir } = await cloned(url);
  expect(gitScript(dir, "git log --all --format=%s | sort; git tag; git fsck 2>&1").trim().split("\n")).toEqual([
    "feature",
    "one",
    "two",
    "heavy",
    "light",
  ]);
  expect((await stat(join(dir, "file"))).mode & 0o777).toBe(0o644);
  expect((await stat(join(dir, "sub", "x"))).mode & 0o777).toBe(0o755);
  expect((await readdir(join(dir, ".git"))).toSorted()).toEqual(["HEAD", "config", "index", "objects", "refs"]);
  expect(gitScript(dir, "git config --list --local")).toContain(`remote.origin.url=${url}\n`);
});

test("a full commit is taken as it is, asked for without any branch", async () => {
  const { root, url } = await repository(history);
  const commit = gitScript(root, "git rev-parse light").trim();
  expect(await resolveCommit(projectFromUrl("https://nowhere.invalid/x.git", commit.toUpperCase()))).toEqual({
    commit,
  });
  const { dir } = await cloned(url, commit);
  expect(await readFile(join(dir, "file"), "utf8")).toBe("one\n");
  const lost = (await readFile(join(root, ".git", "lost"), "utf8")).trim();
  expect(await readFile(join((await cloned(url, lost)).dir, "file"), "utf8")).toBe("lost\n");
  const unknown = "1234567890".repeat(4);
  expect(await refusal(url, unknown)).toMatchObject({
    code: "not_found",
    message: `cannot clone '${url}': it has no commit '${unknown}'`,
  });
});

test("a branch that moves between the question and the clone is cloned as it was", async () => {
  const { root, url } = await repository(history);
  const source = projectFromUrl(url, "main");
  const resolved = await resolveCommit(source);
  gitScript(root, "echo three > file; git commit -qam three");
  expect(await readFile(join(await cloneOf(source, resolved), "file"), "utf8")).toBe("two\n");
});

test("what does not exist is told", async () => {
  const { root, url } = await repository(history);
  const commit = gitScript(root, "git rev-parse --short main").trim();
  expect(await refusal(url, "nope")).toMatchObject({
    code: "not_found",
    message: `cannot clone '${url}': it has no branch or tag 'nope'`,
    hint: "Check the name.",
  });
  expect(await refusal(url, commit)).toMatchObject({ hint: "Give the full commit identifier." });
  expect(await refusal(`${url}-nope`)).toMatchObject({
    code: "not_found",
    message: `cannot clone '${url}-nope': there is no such repository`,
  });
  const { url: unborn } = await repository("");
  expect(await refusal(unborn)).toMatchObject({ code: "not_found", message: expect.stringContaining("no commit") });
  expect(await refusal("ext::touch /tmp/x")).toMatchObject({ code: "invalid_argument" });
  expect(await refusal("foo://example.com/x")).toMatchObject({
    code: "invalid_argument",
    message: "cannot clone 'foo://example.com/x': its protocol is not allowed",
  });
});

test.each([
  ["a pipe", 'mkfifo "$1/it"', "invalid_argument", /'[^']*it': it is a pipe$/],
  ["a device", 'ln -s /dev/zero "$1/it"', "invalid_argument", /it is a character device$/],
  ["the kernel's messages", 'ln -s /proc/kmsg "$1/it"', "invalid_argument", /it is in a proc file system/],
  ["a terabyte", 'truncate --size=1T "$1/it"', "invalid_argument", /it is a file, and no bundle of git's$/],
  [
    "a repository with a pipe",
    'git init -q --bare "$1/it"; rm "$1/it/HEAD"; mkfifo "$1/it/HEAD"',
    "failed_precondition",
    /its '.*it\/HEAD' is a pipe$/,
  ],
])("%s is refused at once, not cloned", async (_what, script, code, message) => {
  const dir = await emptyFolder();
  gitScript(dir, script, dir);
  for (const url of [join(dir, "it"), pathToFileURL(join(dir, "it")).href.replaceAll("%20", " ")]) {
    expect(await refusal(url)).toMatchObject({ code, message: expect.stringMatching(message) });
  }
});

test("a bundle is cloned", async () => {
  const { root } = await repository(history);
  gitScript(root, "git bundle create -q ../it.bundle HEAD main");
  const { dir } = await cloned(join(root, "../it.bundle"), "main");
  expect(await readFile(join(dir, "file"), "utf8")).toBe("two\n");
});

test.each([
  ["a host that does not exist", "https://nowhere.invalid/x.git", "unavailable", /Could not resolve host/],
  ["a port that is not served", "http://127.0.0.1:1/x.git", "unavailable", /Failed to connect/],
  ["git's own protocol", "git://127.0.0.1:1/x.git", "unavailable", /unable to connect/],
])("%s is unavailable", async (_what, url, code, message) => {
  const error = await refusal(url);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message), retryable: true });
});

test.each([
  [401, "failed_precondition", "it needs credentials"],
  [403, "failed_precondition", "it needs credentials"],
  [404, "not_found", "there is no such repository"],
  [500, "unavailable", "The requested URL returned error: 500"],
])("an HTTP server that answers %i is understood, and its user's secrets are kept", async (status, code, reason) => {
  const port = await serve(status);
  process.env["GIT_ASKPASS"] = "/bin/false";
  process.env["GIT_TRACE_CURL"] = "1";
  try {
    for (const login of ["me:pa55word@", "t0ken-t0ken@", ""]) {
      const text = JSON.stringify(await refusal(`http://${login}127.0.0.1:${port}/x.git?key=pa55word`));
      expect(text).toContain(`"code":"${code}"`);
      expect(text).toContain(`cannot clone 'http://127.0.0.1:${port}/x.git': `);
      expect(text).toContain(reason);
      expect(text).not.toMatch(/pa55word|t0ken/);
    }
  } finally {
    delete process.env["GIT_ASKPASS"];
    delete process.env["GIT_TRACE_CURL"];
  }
});

test("credentials of a URL do not get into the clone", async () => {
  const { url } = await repository(history);
  const secret = "t0ken-t0ken";
  // A user's configuration makes git read another one in its place.
  const withLogin = `http://me:${secret}@127.0.0.1/x.git`;
  process.env["GIT_CONFIG_COUNT"] = "1";
  process.env["GIT_CONFIG_KEY_0"] = `url.${url}.insteadOf`;
  process.env["GIT_CONFIG_VALUE_0"] = withLogin;
  try {
    const { dir } = await cloned(withLogin);
    expect(gitScript(dir, 'git config remote.origin.url; ! grep -rl "$1" .git', secret)).toBe(
      "http://127.0.0.1/x.git\n",
    );
  } finally {
    for (const name of ["COUNT", "KEY_0", "VALUE_0"]) delete process.env[`GIT_CONFIG_${name}`];
  }
});

test("submodules stay empty, and large files stay pointers", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  const { url } = await repository(
    `git init -q -b main ../lib; echo a > ../lib/a; git -C ../lib add -A; git -C ../lib commit -qm one
     git submodule --quiet add ../lib lib; printf '%s' "$1" > big.bin; echo '*.bin filter=lfs' > .gitattributes
     git add -A; git commit -qm two`,
    pointer,
  );
  const { dir } = await cloned(url);
  expect(await readdir(join(dir, "lib"))).toEqual([]);
  expect(await readFile(join(dir, "big.bin"), "utf8")).toBe(pointer);
});

test("hooks, templates and programs that are set up are not run", async () => {
  const { url } = await repository(history);
  const dir = await emptyFolder("pyro projects-");
  gitScript(
    dir,
    `
    mkdir -p template/hooks bin
    for file in template/hooks/post-checkout template/hooks/reference-transaction bin/askpass; do
      printf '#!/bin/sh\\ntouch "%s"\\n' "$PWD/ran" > $file; chmod +x $file
    done
    git config -f config init.templateDir "$PWD/template"; git config -f config core.hooksPath "$PWD/template/hooks"
    git config -f config core.fsmonitor "'$PWD/template/hooks/post-checkout'"; git config -f config core.askPass "$PWD/bin/askpass"`,
  );
  process.env["GIT_CONFIG_GLOBAL"] = join(dir, "config");
  process.env["GIT_TEMPLATE_DIR"] = join(dir, "template");
  process.env["SSH_ASKPASS"] = join(dir, "bin/askpass");
  try {
    await cloned(url);
    await refusal(`http://127.0.0.1:${await serve(401)}/x.git`);
  } finally {
    process.env["GIT_CONFIG_GLOBAL"] = "/dev/null";
    delete process.env["GIT_TEMPLATE_DIR"];
    delete process.env["SSH_ASKPASS"];
  }
  await expect(access(join(dir, "ran"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("the repository that we happen to be in has no say", async () => {
  const { root, url } = await repository(history);
  gitScript(root, 'git config "url.file:///nonexistent.insteadOf" "$1"; git config core.sshCommand /bin/false', url);
  const before = process.cwd();
  process.chdir(root);
  try {
    expect((await cloned(url)).resolved.branch).toBe("main");
  } finally {
    process.chdir(before);
  }
});

test("a clone is cancelled, whatever git waits for", async () => {
  const server = createServer(() => {
    // never answers
  });
  const port = await listen(server);
  const source = projectFromUrl(`http://127.0.0.1:${port}/x.git`);
  await expect(resolveCommit(source, { signal: AbortSignal.timeout(200) })).rejects.toMatchObject({
    code: "cancelled",
  });
});

async function repository(script: string, ...args: readonly string[]): Promise<{ root: string; url: string }> {
  const root = join(await realpath(await emptyFolder("pyro projects-")), "the repository");
  makeRepository(root, script, ...args);
  return { root, url: pathToFileURL(root).href };
}

async function cloned(url: string, ref?: string) {
  const source = projectFromUrl(url, ref);
  const resolved = await resolveCommit(source);
  return { dir: await cloneOf(source, resolved), resolved };
}

async function cloneOf(source: CloneSource, resolved: ResolvedCommit): Promise<string> {
  const dir = join(await emptyFolder("pyro projects-"), "clone");
  await mkdir(dir);
  await cloneCommit(source, resolved, dir);
  return dir;
}

async function refusal(url: string, ref?: string) {
  return cloned(url, ref).then(
    () => Promise.reject(new Error(`'${url}' was cloned`)),
    (error) => error.toJSON(),
  );
}

async function serve(status: number): Promise<number> {
  return listen(
    createServer((_request, response) => {
      response.writeHead(status, status === 401 ? { "WWW-Authenticate": 'Basic realm="x"' } : {}).end();
    }),
  );
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
