import { access, realpath, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type TrackedFiles, trackedFiles } from "../../../src/projects/tracked-files.ts";
import { printablePath } from "../../../src/tree/name.ts";
import { gitScript, makeRepository } from "../../helpers/git-repository.ts";
import { emptyFolder } from "../tree/folder.ts";
import { writeIndexFile } from "./index-file.ts";

const commit = "git add -A; git commit -qm one";

test("tracked files are listed as git has them: staged and intended ones too, by the bytes of their names", async () => {
  const root = await repository(`
    mkdir sub; echo a > sub/a; echo b > 'two
lines'; echo c > "$(printf 'caf\\351')"; echo d > -dash; echo e > 'sp ace'; ln -s /etc link
    echo '*.log' > .gitignore; echo x > x.log; git add -A; git commit -qm one
    git config core.quotePath true
    echo f > staged; git add staged; echo g > intended; git add -N intended; echo h > untracked; echo i > forced.log
    git add -f forced.log; rm sub/a; git rm -q --cached -- -dash`);
  expect(shown(await trackedFiles(root))).toEqual({
    files: ['"caf\\351"', '"two\\nlines"', ".gitignore", "forced.log", "intended", "link", "sp ace", "staged", "sub/a"],
    folders: [],
    skipped: [],
  });
});

test("a file that is in conflict is listed once", async () => {
  const root = await repository(`
    echo a > file; ${commit}; git checkout -qb other; echo b > file; git commit -qam b
    git checkout -q main; echo c > file; git commit -qam c; ! git merge -q other > /dev/null 2>&1`);
  expect(gitScript(root, "git ls-files --stage").trim().split("\n")).toHaveLength(3);
  expect(shown(await trackedFiles(root)).files).toEqual(["file"]);
});

test("a repository without commits has what is staged, or nothing", async () => {
  const root = await repository("echo a > a; echo b > b; git add a");
  expect(shown(await trackedFiles(root)).files).toEqual(["a"]);
  expect(await trackedFiles(await repository("echo a > untracked"))).toEqual({ files: [], folders: [], skipped: [] });
});

test("a linked worktree has its own files", async () => {
  const root = await repository(
    `echo a > a; ${commit}; git worktree add -q ../linked; echo b > ../linked/b; git -C ../linked add b`,
  );
  expect(shown(await trackedFiles(join(root, "../linked"))).files).toEqual(["a", "b"]);
  expect(shown(await trackedFiles(root)).files).toEqual(["a"]);
});

test("sparse checkouts list what they leave out too, with a sparse index and without its objects", async () => {
  const root = await repository(`
    mkdir -p in out/deep; echo a > in/a; echo b > out/deep/b; ${commit}; git config uploadpack.allowFilter true
    git clone -q --filter=blob:none --sparse "file://$PWD" ../sparse; cd ../sparse; git sparse-checkout set --sparse-index in`);
  expect(shown(await trackedFiles(join(root, "../sparse"))).files).toEqual(["in/a", "out/deep/b"]);
});

test("submodules come with their own tracked files, as far as they are there", async () => {
  const root = await repository(`
    git init -q -b main ../lib; echo a > ../lib/a; git -C ../lib add -A; git -C ../lib commit -qm one
    git init -q -b main ../outer; git -C ../outer submodule --quiet add ../lib inner 2>&1; git -C ../outer commit -qm one
    for name in good gone broken emptied unnamed; do git submodule --quiet add ../lib $name; done
    git submodule --quiet add ../outer outer; git submodule --quiet update --init --recursive; ${commit}
    echo b > good/b; git -C good add b; echo c > good/untracked
    git submodule --quiet deinit -f gone; echo 'gitdir: /nonexistent' > broken/.git; rm emptied/.git; mkdir emptied/.git
    git config -f .gitmodules --remove-section submodule.unnamed; git config --remove-section submodule.unnamed
    git init -q untracked-repository; echo d > untracked-repository/d; git -C untracked-repository add d`);
  expect(shown(await trackedFiles(root))).toEqual({
    files: [".gitmodules", "good/a", "good/b", "outer/.gitmodules", "outer/inner/a", "unnamed/a"],
    folders: ["broken", "emptied", "gone", "good", "outer", "outer/inner", "unnamed"],
    skipped: [{ path: "broken", reason: "its submodule cannot be read: not a git repository: /nonexistent" }],
  });
});

test("a link in the place of a submodule is not followed", async () => {
  const root = await repository(`
    git init -q -b main ../lib; echo a > ../lib/a; git -C ../lib add -A; git -C ../lib commit -qm one
    git submodule --quiet add ../lib lib; mkdir deep; git submodule --quiet add ../lib deep/lib; ${commit}
    git init -q ../secret; echo s > ../secret/s; mkdir ../secrets; cp -a ../secret ../secrets/lib; git -C ../secret add s`);
  await rm(join(root, "lib"), { recursive: true });
  await symlink("../secret", join(root, "lib"));
  await rm(join(root, "deep"), { recursive: true });
  await symlink("../secrets", join(root, "deep"));
  expect(shown(await trackedFiles(root)).files).toEqual([".gitmodules"]);
});

test("nothing that a repository configures is run, and no other place is contacted", async () => {
  const root = await repository(`
    printf '#!/bin/sh\\ntouch "%s"\\necho "$@"\\n' "$PWD/../ran" > evil; chmod +x evil; echo a > a; ${commit}
    git init -q sub; echo b > sub/b; git -C sub add -A; git -C sub commit -qm one; git add sub 2> /dev/null
    for dir in . sub; do
      git -C $dir config core.fsmonitor "'$PWD/evil'"; git -C $dir config core.hooksPath "$PWD"
      git -C $dir config remote.origin.url "ext::$PWD/evil"; git -C $dir config remote.origin.promisor true
      git -C $dir config extensions.partialClone origin; git -C $dir config core.repositoryformatversion 1
    done`);
  expect(shown(await trackedFiles(root)).files).toEqual(["a", "evil", "sub/b"]);
  await expect(access(join(root, "../ran"))).rejects.toMatchObject({ code: "ENOENT" });
  // That git would have run it is what makes this a test.
  gitScript(root, "git ls-files > /dev/null 2>&1");
  await access(join(root, "../ran"));
});

test("an index of foreign make cannot name the repository itself", async () => {
  const root = await repository("echo a > a; mkdir sub; echo b > sub/b; git add -A");
  const hostile = [".git/config", "a", "sub/.git/x", "sub/b", "../outside", "/etc/passwd", ".gitignore"];
  await writeIndexFile(join(root, ".git", "index"), hostile);
  // What leads out is for the scan to refuse, which knows the rules of paths.
  expect(shown(await trackedFiles(root)).files).toEqual(["../outside", ".gitignore", "a", "sub/b"]);
});

test("variables of a hook do not lead to another repository", async () => {
  const root = await repository(
    `echo a > a; ${commit}; git init -q ../other; echo b > ../other/b; git -C ../other add b`,
  );
  const names = { GIT_DIR: "../other/.git", GIT_WORK_TREE: "../other", GIT_INDEX_FILE: "../other/.git/index" };
  for (const [name, path] of Object.entries(names)) process.env[name] = join(root, path);
  process.env["GIT_CONFIG_PARAMETERS"] = "'core.bare=true'";
  try {
    expect(shown(await trackedFiles(root)).files).toEqual(["a"]);
  } finally {
    for (const name of [...Object.keys(names), "GIT_CONFIG_PARAMETERS"]) delete process.env[name];
  }
});

test("what is no checkout any more, or is damaged, is told", async () => {
  const root = await repository(`echo a > a; ${commit}`);
  await writeFile(join(root, ".git", "index"), "no index");
  await expect(trackedFiles(root)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/^cannot list the tracked files of '.*': .*index/),
  });
  await unlink(join(root, ".git", "index"));
  await rm(join(root, ".git"), { recursive: true });
  await expect(trackedFiles(root)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `cannot list the tracked files of '${root}': it is no longer a Git checkout`,
  });
});

test("listing is cancelled", async () => {
  const root = await repository("");
  await expect(trackedFiles(root, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
});

/** A repository that a script has filled. */
async function repository(script: string): Promise<string> {
  const root = join(await realpath(await emptyFolder("pyro projects-")), "the repository");
  makeRepository(root, script);
  return root;
}

function shown({ files, folders, skipped }: TrackedFiles) {
  return {
    files: files.map(printablePath).toSorted(),
    folders: folders.map(printablePath).toSorted(),
    skipped: skipped.map(({ path, reason }) => ({ path: printablePath(path), reason })),
  };
}
