import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ignoredPaths } from "../../../src/projects/ignored.ts";
import { makeRepository } from "../../helpers/git-repository.ts";
import { SearchPath } from "../../helpers/search-path.ts";
import { emptyFolder } from "../tree/folder.ts";

async function repository(script: string): Promise<string> {
  const root = join(await realpath(await emptyFolder("pyro projects-")), "the repository");
  makeRepository(root, script);
  return root;
}

const bytes = (...paths: readonly string[]) => paths.map((path) => Buffer.from(path, "latin1"));

test("what a checkout ignores is told, of files that are not there too, by the bytes of their names", async () => {
  const root = await repository(`
    mkdir sub; printf '*.log\\n__pycache__/\\n/build\\n' > .gitignore; echo '!kept.log' > sub/.gitignore
    echo private > .git/info/exclude; echo x > tracked.log; git add -A; git add -f tracked.log; git commit -qm one`);
  const paths = [
    "a.log",
    "tracked.log",
    "sub/kept.log",
    "sub/caf\xe9.log",
    "x/__pycache__/a.pyc",
    "build/out",
    "private",
  ];
  const ignored = await ignoredPaths(root, bytes(...paths, "sub/build", "with\nbreak.log", "src/new.ts"));
  expect([...ignored].toSorted()).toEqual(
    ["a.log", "sub/caf\xe9.log", "x/__pycache__/a.pyc", "build/out", "private", "with\nbreak.log"].toSorted(),
  );
});

test("a path that git cannot tell hides no other", async () => {
  const root = await repository(`
    echo build/ > .gitignore; mkdir real; ln -s real link; git init -q sub; cd sub
    git -c user.name=x -c user.email=x commit -q --allow-empty -m one; cd ..
    git -c protocol.file.allow=always submodule add -q ./sub sub 2>&1; git add -A; git commit -qm one`);
  const paths = bytes("build/a", "link/x", "src/b", "sub/y", "build/c");
  expect([...(await ignoredPaths(root, paths))].toSorted()).toEqual(["build/a", "build/c"]);
});

test("nothing is ignored where nothing is, or where git cannot say", async () => {
  const root = await repository("echo x > file; git add -A; git commit -qm one");
  expect(await ignoredPaths(root, bytes("file", "other"))).toEqual(new Set());
  expect(await ignoredPaths(root, [])).toEqual(new Set());
  expect(await ignoredPaths(join(root, "gone"), bytes("a.log"))).toEqual(new Set());
});

test("without git nothing is ignored; a question that is cancelled fails", async () => {
  const root = await repository("echo '*.log' > .gitignore; git add -A; git commit -qm one");
  const aborted = AbortSignal.abort();
  await expect(ignoredPaths(root, bytes("a.log"), { signal: aborted })).rejects.toMatchObject({ code: "cancelled" });
  const before = process.env["PATH"];
  await using withoutGit = await SearchPath.with("env", "setpriv", "sh");
  process.env["PATH"] = withoutGit.dir;
  try {
    expect(await ignoredPaths(root, bytes("a.log"))).toEqual(new Set());
  } finally {
    process.env["PATH"] = before;
  }
});
