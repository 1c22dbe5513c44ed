import { appendFile, mkdir, readdir, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { trackedFiles } from "../../../src/projects/tracked-files.ts";
import { type ListedSource, prepareSeed, type SeedRequest } from "../../../src/seeds/seed.ts";
import { listSeeds } from "../../../src/seeds/store.ts";
import { gitScript, makeRepository } from "../../helpers/git-repository.ts";
import { checkImage, debugImage, listImage } from "../../helpers/image-content.ts";
import { writeIndexFile } from "../projects/index-file.ts";
import { emptyFolder, evaluateAsOrdinaryUser, ordinaryUid, shellAsOrdinaryUser } from "../tree/folder.ts";

const commit = "git add -A; git commit -qm one";
/** As long as a change may go unnoticed in the times of files */
const settle = "sleep 2.1";

test("the image of a checkout has its tracked files as they are, and nothing else", async () => {
  const { root, request } = await checkout(`
    mkdir -p sub/deep ignored; echo one > sub/file; chmod 755 sub/file; ln sub/file sub/deep/hard; ln -s /etc link
    echo x > "$(printf 'caf\\351')"; echo y > 'two
lines'; echo '/ignored' > .gitignore; echo secret > ignored/secret; git init -q -b main ../lib
    echo a > ../lib/a; git -C ../lib add -A; git -C ../lib commit -qm one
    git submodule --quiet add ../lib lib; git submodule --quiet add ../lib gone; ${commit}
    git submodule --quiet deinit -f gone; echo changed > lib/a; echo untracked > lib/u; echo untracked > untracked
    printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 9\\n' > big.bin; git add big.bin
    echo two > sub/file; rm link; chmod 750 sub; touch --date=@1700000000 sub/file big.bin 'two
lines' .gitignore .gitmodules lib/a caf*`);
  const seed = await prepareSeed(request);
  await checkImage(seed.imagePath);
  expect(await listImage(seed.imagePath, "/base")).toEqual([
    ".gitignore 100644/0/0",
    ".gitmodules 100644/0/0",
    "big.bin 100644/0/0",
    "caf\ufffd 100644/0/0",
    "gone 040755/0/0",
    "lib 040755/0/0",
    "sub 040750/0/0",
    "two\nlines 100644/0/0",
  ]);
  expect(await listImage(seed.imagePath, "/base/sub")).toEqual(["deep 040755/0/0", "file 100755/0/0"]);
  expect(await listImage(seed.imagePath, "/base/lib")).toEqual(["a 100644/0/0"]);
  expect(await debugImage(seed.imagePath, "cat /base/sub/deep/hard")).toBe("two\n");
  expect(await debugImage(seed.imagePath, "cat /base/lib/a")).toBe("changed\n");
  expect(await debugImage(seed.imagePath, "stat /base/sub/file")).toMatch(/Links: 2/);
  for (const name of ["base", "base/sub", "base/gone", "upper"]) {
    expect(await debugImage(seed.imagePath, `stat /${name}`)).toContain("mtime: 0x6553f100");
  }
  expect(seed).toMatchObject({ entryCount: 13, skipped: [], reused: false });
  expect(await readdir(join(root, "../cache/staging"))).toEqual([]);
});

test("an unchanged checkout is used again without a look at its content, whatever else happens in it", async () => {
  const { root, request } = await checkout(`mkdir sub; echo one > sub/file; ${commit}; ${settle}`);
  const first = await prepareSeed(request);
  const again = { ...first, reused: true };
  gitScript(root, "echo x > untracked; mkdir sub/build; echo y > sub/build/y; git tag v1; git gc -q; touch sub .");
  expect(await prepareSeed({ ...request, searchPath: "/nowhere" })).toEqual(again);
  gitScript(root, "git commit -q --amend -m other; rm -r untracked sub/build");
  expect(await prepareSeed({ ...request, searchPath: "/nowhere" })).toEqual(again);
  gitScript(root, "echo new > new; git add new");
  const added = await prepareSeed(request);
  expect(added).toMatchObject({ reused: false, entryCount: first.entryCount + 1 });
  gitScript(root, "git rm -q --cached new; cp -p sub/file copy; mv copy sub/file");
  expect(await prepareSeed(request)).toEqual(again);
  expect(await listSeeds(request.seedsDir)).toHaveLength(2);
});

test("another checkout of the same files has the same image", async () => {
  const { root, request } = await checkout(
    `mkdir sub; echo one > sub/file; ${commit}; touch --date=@1700000000 sub/file`,
  );
  const first = await prepareSeed(request);
  gitScript(
    root,
    "git worktree add -q ../linked; cd ../linked; touch --date=@1700000000 sub/file; echo x > sub/untracked",
  );
  const linked = await prepareSeed({ ...request, source: sourceOf(join(root, "../linked")) });
  expect(linked).toEqual({ ...first, reused: true });
});

test("what is written beside tracked files does not disturb, what is written to them does", async () => {
  const { root, request } = await checkout(`for i in $(seq 500); do echo $i > $i; done; ${commit}`);
  const writing = (path: string) =>
    repeatedly((round) => rm(join(root, path), { force: true }).then(() => appendFile(join(root, path), `${round}`)));
  const beside = writing("untracked");
  expect(await prepareSeed(request).finally(beside)).toMatchObject({ entryCount: 501, reused: false });
  const within = repeatedly((round) => appendFile(join(root, "17"), `${round}`));
  await expect(prepareSeed(request).finally(within)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `cannot prepare directory '${root}': the tree keeps changing while it is read`,
  });
  expect(await readdir(join(request.seedsDir, "staging"))).toEqual([]);
});

test("a link in the place of a tracked folder, and an index that names other places, bring nothing from outside", async () => {
  const { root, request } = await checkout(`
    mkdir sub; echo one > sub/secret; echo two > kept; echo three > was-file; ${commit}
    mkdir ../outside; echo secret > ../outside/secret; rm was-file; mkdir was-file; echo x > was-file/untracked`);
  await rename(join(root, "sub"), join(root, "../moved"));
  await symlink("../outside", join(root, "sub"));
  const seed = await prepareSeed(request);
  expect(await listImage(seed.imagePath, "/base")).toEqual(["kept 100644/0/0"]);
  await writeIndexFile(join(root, ".git", "index"), ["../outside/secret", "kept", ".git/config", "sub/secret"]);
  const hostile = await prepareSeed(request);
  expect(hostile.skipped).toEqual([{ path: "../outside/secret", reason: "its path has '..' in it" }]);
  expect(hostile.digest).toBe(seed.digest);
});

test("a repository without commits and without anything staged is an empty workspace", async () => {
  const { root, request } = await checkout("echo x > untracked");
  const seed = await prepareSeed(request);
  await checkImage(seed.imagePath);
  expect(seed).toMatchObject({ entryCount: 1, bytesWritten: 0, skipped: [] });
  expect(await listImage(seed.imagePath, "/base")).toEqual([]);
  expect(root).not.toBe("");
});

test("pyro's own folders may be in a checkout that does not track them", async () => {
  const { root, request } = await checkout(`echo one > file; ${commit}`);
  const seed = await prepareSeed({ ...request, seedsDir: join(root, ".cache/seeds") });
  expect(seed).toMatchObject({ entryCount: 2, reused: false });
  expect(await prepareSeed({ ...request, seedsDir: join(root, ".cache/seeds") })).toEqual({ ...seed, reused: true });
});

test("an ordinary user's unreadable files are skipped, and told again when the image is used again", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shellAsOrdinaryUser(
    `cd "$1"; mkdir in; cd in; git init -q; mkdir closed; echo a > closed/a; echo b > secret; echo c > file; git add -A
     chmod 000 secret closed; ${settle}`,
    dir,
  );
  const prepare = `
    const { prepareSeed } = await import("./src/seeds/seed.ts");
    const { trackedFiles } = await import("./src/projects/tracked-files.ts");
    const source = { kind: "listed", path, list: (options) => trackedFiles(path, options) };
    return prepareSeed({ ...request, source });`;
  const request = {
    seedsDir: join(dir, "cache"),
    imageBytes: 1024 ** 3,
    uid: ordinaryUid,
    searchPath: "/usr/bin:/bin",
  };
  const seed = await evaluateAsOrdinaryUser(prepare, { path: join(dir, "in"), request });
  const skipped = [
    { path: "closed", reason: "it cannot be entered: permission denied" },
    { path: "secret", reason: "permission denied" },
  ];
  expect(seed).toMatchObject({ entryCount: 2, reused: false, skipped });
  expect(await listImage(seed.imagePath, "/base")).toEqual(["file 100644/0/0"]);
  const again = await evaluateAsOrdinaryUser(prepare, { path: join(dir, "in"), request });
  expect(again).toEqual({ ...seed, reused: true });
});

test("a checkout that goes away is an error, not an empty workspace", async () => {
  const { root, request } = await checkout(`echo one > file; ${commit}`);
  await rm(join(root, ".git"), { recursive: true });
  await expect(prepareSeed(request)).rejects.toMatchObject({ code: "failed_precondition" });
  await rm(root, { recursive: true });
  await expect(prepareSeed(request)).rejects.toMatchObject({ code: "failed_precondition" });
  await mkdir(root);
  await writeFile(join(root, "file"), "");
  await expect(prepareSeed(request)).rejects.toMatchObject({ code: "failed_precondition" });
});

/** A checkout that a script has filled, and what to ask for. */
async function checkout(script: string): Promise<{ root: string; request: SeedRequest }> {
  const dir = await realpath(await emptyFolder("pyro seeds-"));
  const root = join(dir, "the checkout");
  makeRepository(root, script);
  const uid = process.getuid?.() ?? ordinaryUid;
  const common = { seedsDir: join(dir, "cache"), imageBytes: 1024 ** 3, uid, searchPath: "/usr/bin:/bin" };
  return { root, request: { ...common, source: sourceOf(root) } };
}

function sourceOf(path: string): ListedSource {
  return { kind: "listed", path, list: (options) => trackedFiles(path, options) };
}

/** Does something over and over until the result is called. */
function repeatedly(action: (round: number) => Promise<unknown>): () => Promise<void> {
  let isGoingOn = true;
  const all = (async () => {
    for (let round = 0; isGoingOn; round += 1) await action(round);
  })();
  return () => {
    isGoingOn = false;
    return all;
  };
}
