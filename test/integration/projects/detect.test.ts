import { chmod, chown, mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { autoDetectProject, detectProject, projectAt } from "../../../src/projects/detect.ts";
import { gitScript, makeRepository } from "../../helpers/git-repository.ts";
import { emptyFolder, evaluateAsOrdinaryUser, ordinaryUid } from "../tree/folder.ts";

const commit = "echo a > a; mkdir sub; echo b > sub/b; git add -A; git commit -qm one";

test("a path in a checkout is the checkout, whatever its name and however it is reached", async () => {
  const dir = await realFolder();
  const root = join(dir, "a\n'strange' näme ");
  makeRepository(root, commit);
  await symlink(root, join(dir, "link"));
  for (const path of [root, join(root, "sub"), join(dir, "link"), join(dir, "link", "sub"), `${root}/sub/../`]) {
    expect(await projectAt(path)).toEqual({ kind: "checkout", root });
    expect(await autoDetectProject(path)).toEqual({ source: { kind: "checkout", root } });
  }
});

test("linked worktrees, submodules and repositories without commits are checkouts of their own", async () => {
  const dir = await realFolder();
  makeRepository(join(dir, "lib"), commit);
  makeRepository(join(dir, "main"), `${commit}\ngit worktree add -q ../linked; git submodule add -q ../lib lib`);
  makeRepository(join(dir, "unborn"), "");
  makeRepository(join(dir, "apart"), "mv .git ../apart.git; echo 'gitdir: ../apart.git' > .git");
  for (const [path, root] of [
    ["linked/sub", "linked"],
    ["main/lib/sub", "main/lib"],
    ["unborn", "unborn"],
    ["apart", "apart"],
  ] as const) {
    expect(await projectAt(join(dir, path))).toEqual({ kind: "checkout", root: join(dir, root) });
  }
});

test("a folder in no repository is taken when it is named, and never by itself", async () => {
  const dir = await realFolder();
  expect(await projectAt(dir)).toEqual({ kind: "directory", root: dir });
  expect(await autoDetectProject(dir)).toEqual({ source: undefined });
});

test("bare repositories are refused with the URL that they can be cloned from", async () => {
  const dir = await realFolder();
  makeRepository(join(dir, "made"), `${commit}\ngit clone -q --bare . "../it's bare.git"`);
  const bare = join(dir, "it's bare.git");
  const { problem } = await autoDetectProject(bare);
  expect(problem).toEqual({
    code: "failed_precondition",
    reason: "it is a bare repository, without a working tree",
    hint: `Start the server with \`--repo-url '${pathToFileURL(bare).href.replace("'", "'\\''")}'\`, which clones it, or give seed_path.`,
  });
  expect(await refused(join(bare, "refs"))).toEqual({
    code: problem?.code,
    hint: problem?.hint,
    message: `cannot use project '${bare}/refs': it is a bare repository, without a working tree`,
  });
  const { message } = await refused(join(dir, "made", ".git", "objects"));
  expect(message).toContain("it is inside of a repository's .git directory");
});

test("what is not there, or no directory, is refused", async () => {
  const dir = await realFolder();
  await writeFile(join(dir, "file"), "");
  expect(await refused(join(dir, "gone"))).toMatchObject({ code: "not_found" });
  expect(await refused(join(dir, "file"))).toMatchObject({ code: "invalid_argument" });
  expect(await refused("")).toMatchObject({ code: "not_found" });
});

test.each([
  [
    "a worktree whose repository is gone",
    "rm -r .git; echo 'gitdir: /nonexistent' > .git",
    "not a git repository: /nonexistent",
  ],
  ["a configuration that is none", "echo '[[[' > .git/config", "bad config line 1 in file .git/config"],
  ["an empty .git", "rm -r .git/*", "its .git is no repository that git can read"],
  ["a .git from the future", "git config core.repositoryformatversion 9", /^Expected git repo version <= 1, found 9/],
])("%s is refused, not taken for a folder without git", async (_what, script, reason) => {
  const root = join(await realFolder(), "broken");
  makeRepository(root, script);
  const { source, problem } = await autoDetectProject(root);
  expect(source).toBeUndefined();
  expect(problem).toMatchObject({ code: "failed_precondition", reason: expect.stringMatching(reason) });
  expect(await refused(root)).toMatchObject({
    code: "failed_precondition",
    hint: `Run \`git -C '${root}' status\`, and mend it.`,
  });
});

test.each(["HEAD", "config", "index", "packed-refs"])(
  "a pipe in the place of .git/%s does not keep anyone waiting",
  async (name) => {
    const root = join(await realFolder(), "waiting");
    makeRepository(root, `${commit}; rm -f ".git/$1"; mkfifo ".git/$1"`, name);
    const refusal = { code: "failed_precondition", reason: `its '${join(root, ".git", name)}' is a pipe` };
    expect((await autoDetectProject(join(root, "sub"))).problem).toMatchObject(refusal);
    expect(await refused(root)).toMatchObject({ code: refusal.code, message: expect.stringContaining(refusal.reason) });
  },
);

test.each([
  ["/proc", /it is in a proc file system/],
  ["/sys/kernel", /it is in a sysfs file system/],
  ["/dev/zero", /it is not a directory/],
  ["/tmp/a\0b", /it has a NUL character in it/],
  ["x/".repeat(2500), /it is longer than 4095 bytes/],
])("%j is no project", async (path, message) => {
  expect(await refused(path)).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
});

test.runIf(process.getuid?.() === 0)(
  "another user's repository is refused with the command that trusts it",
  async () => {
    const root = join(await realFolder(), "theirs");
    makeRepository(root, commit);
    await chown(root, ordinaryUid, ordinaryUid);
    expect(await detectProject(root)).toEqual({
      kind: "unusable",
      problem: {
        code: "failed_precondition",
        reason: `git does not trust '${root}', which another user owns`,
        hint: `Run \`git config --global --add safe.directory '${root}'\` if you do.`,
      },
    });
  },
);

test("a .git that cannot be read is no plain folder", async () => {
  const dir = await emptyFolder("pyro projects-");
  const root = join(dir, "closed");
  makeRepository(root, commit);
  await chmod(join(root, ".git"), 0);
  gitScript(dir, 'test "$(id -u)" != 0 || chown -R "$1" closed', String(ordinaryUid));
  const detected = await evaluateAsOrdinaryUser(
    `const { detectProject } = await import("./src/projects/detect.ts"); return detectProject(root);`,
    { root },
  );
  expect(detected).toMatchObject({
    kind: "unusable",
    problem: { reason: "its .git is no repository that git can read" },
  });
});

test("a repository cannot say that it is all of another folder", async () => {
  const dir = await realFolder();
  await mkdir(join(dir, "home"));
  makeRepository(join(dir, "home"), "echo secret > secret");
  makeRepository(join(dir, "home", "hostile"), 'git config core.worktree "$1"', join(dir, "home"));
  makeRepository(join(dir, "aside"), 'git config core.worktree "$1"', join(dir, "home"));
  for (const name of ["home/hostile", "aside"]) {
    expect((await autoDetectProject(join(dir, name))).problem?.reason).toBe(
      "its repository has its working tree elsewhere (core.worktree)",
    );
  }
});

test("nothing that a repository or the environment configures is run", async () => {
  const dir = await realFolder();
  const root = join(dir, "hostile");
  makeRepository(
    root,
    `${commit}
     printf '#!/bin/sh\\ntouch "%s"\\n' "$1" > evil; chmod +x evil
     git config core.fsmonitor "'$PWD/evil'"; git config core.pager "'$PWD/evil'"; git config alias.rev-parse "!'$PWD/evil'"`,
    join(dir, "ran"),
  );
  makeRepository(join(dir, "other"), "");
  process.env["GIT_DIR"] = join(dir, "other", ".git");
  process.env["GIT_WORK_TREE"] = join(dir, "other");
  try {
    expect(await projectAt(join(root, "sub"))).toEqual({ kind: "checkout", root });
  } finally {
    delete process.env["GIT_DIR"];
    delete process.env["GIT_WORK_TREE"];
  }
  await expect(realpath(join(dir, "ran"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("without git a folder is not guessed about", async () => {
  const dir = await realFolder();
  const path = process.env["PATH"];
  gitScript(dir, 'mkdir bin; for p in env sh setpriv; do ln -s "$(command -v $p)" bin; done');
  process.env["PATH"] = join(dir, "bin");
  try {
    const problem = {
      code: "unavailable",
      reason: "cannot run git: it was not found",
      hint: ["Install the package git."],
    };
    expect(await autoDetectProject(dir)).toEqual({ source: undefined, problem });
    expect(await refused(dir)).toMatchObject({ code: "unavailable" });
  } finally {
    process.env["PATH"] = path;
  }
});

test("detection is cancelled", async () => {
  await expect(detectProject("/", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
});

/** An empty folder by the name that git gives it. */
async function realFolder(): Promise<string> {
  return realpath(await emptyFolder("pyro projects-"));
}

async function refused(path: string) {
  return projectAt(path).then(
    () => Promise.reject(new Error(`'${path}' is taken for a project`)),
    ({ code, message, hint }) => ({ code, message, hint }),
  );
}
