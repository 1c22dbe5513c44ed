import { access, readdir, realpath, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { composeEngineContext } from "../../../../src/compose.ts";
import { projectFromUrl } from "../../../../src/projects/remote.ts";
import { type SeedChoice, seedDisk } from "../../../../src/workspaces/life/seeding.ts";
import { gitScript, makeRepository } from "../../../helpers/git-repository.ts";
import { debugImage, listImage } from "../../../helpers/image-content.ts";
import { emptyFolder, shell } from "../../tree/folder.ts";

test("the record says what a workspace began with", async () => {
  const { dir, root, seeded } = await project();
  await shell('cd "$1"; mkdir plain; echo x > plain/x; tar -cf a.tar -C plain .', dir);
  const common = { destination: "/workspace", bytesWritten: expect.any(Number), entryCount: expect.any(Number) };
  const [plain, archive] = [join(dir, "plain"), join(dir, "a.tar")];
  const named = { ...common, originKind: "manual_seed_path", originRef: null };
  const local = { ...common, mode: "directory", originKind: "project_path" };
  const of = async (choice: SeedChoice | undefined) => (await seeded(choice)).seed;
  expect(await of(undefined)).toEqual({
    mode: "empty",
    originKind: "empty",
    originRef: null,
    seedPath: null,
    destination: "/workspace",
    entryCount: 0,
    bytesWritten: 0,
  });
  expect(await of(plain)).toEqual({ ...named, mode: "directory", seedPath: plain, entryCount: 1, bytesWritten: 2 });
  expect(await of(archive)).toEqual({ ...named, mode: "tar_archive", seedPath: archive });
  expect(await of({ kind: "directory", root: plain })).toEqual({ ...local, originRef: plain, seedPath: plain });
  expect(await of({ kind: "checkout", root })).toEqual({ ...local, originRef: root, seedPath: root, entryCount: 3 });
});

test("a checkout named as a seed comes with everything, as a project with what git tracks", async () => {
  const { root, seeded } = await project();
  await writeFile(join(root, "untracked"), "");
  expect(await listImage((await seeded(root)).path, "/base")).toHaveLength(4);
  expect(await listImage((await seeded({ kind: "checkout", root })).path, "/base")).toEqual([
    "file 100644/0/0",
    "sub 040755/0/0",
  ]);
});

test("a clone is recorded by URL and ref, without credentials, and made once for each commit", async () => {
  const { root, url, seeded, stored } = await project();
  const withLogin = "http://me:t0ken-t0ken@127.0.0.1/x.git";
  const rewrite = { COUNT: "1", KEY_0: `url.${url}.insteadOf`, VALUE_0: withLogin };
  for (const [name, value] of Object.entries(rewrite)) process.env[`GIT_CONFIG_${name}`] = value;
  try {
    const { seed, path } = await seeded(projectFromUrl(withLogin, "main"));
    expect(seed).toEqual({
      mode: "directory",
      seedPath: null,
      originKind: "repo_url",
      originRef: "http://127.0.0.1/x.git@main",
      destination: "/workspace",
      entryCount: expect.any(Number),
      bytesWritten: expect.any(Number),
    });
    expect(await debugImage(path, "cat /base/file")).toBe("one\n");
    expect(await debugImage(path, "cat /base/.git/config")).toContain("url = http://127.0.0.1/x.git\n");
    expect(await debugImage(path, "cat /base/.git/HEAD")).toBe("ref: refs/heads/main\n");
  } finally {
    for (const name of Object.keys(rewrite)) delete process.env[`GIT_CONFIG_${name}`];
  }
  const first = await seeded(projectFromUrl(url));
  expect(first.seed.originRef).toBe(url);
  expect((await seeded(projectFromUrl(url))).seed).toEqual(first.seed);
  expect(await stored()).toBe(2);
  gitScript(root, "echo two > file; git commit -qam two");
  expect(await debugImage((await seeded(projectFromUrl(url))).path, "cat /base/file")).toBe("two\n");
  expect(await stored()).toBe(3);
});

test("a commit that was cloned once needs its repository no more", async () => {
  const { dir, root, url, seeded } = await project();
  const commit = gitScript(root, "git rev-parse HEAD").trim();
  const first = await seeded(projectFromUrl(url, commit));
  await rename(root, join(dir, "elsewhere"));
  expect((await seeded(projectFromUrl(url, commit))).seed).toEqual(first.seed);
  await expect(seeded(projectFromUrl(url))).rejects.toMatchObject({ code: "not_found" });
});

test("when the project cannot be had there is no disk", async () => {
  const { dir, url, seeded, stored } = await project();
  for (const choice of [
    projectFromUrl(url, "nope"),
    projectFromUrl("http://127.0.0.1:1/x.git"),
    { kind: "checkout", root: dir },
    { kind: "directory", root: join(dir, "gone") },
  ] as const) {
    await expect(seeded(choice)).rejects.toMatchObject({ code: expect.stringMatching(/not_found|unavailable|failed/) });
  }
  await expect(access(join(dir, "disk-1"))).rejects.toMatchObject({ code: "ENOENT" });
  expect(await stored()).toBe(0);
});

/** A repository, and a way to make disks of it. */
async function project() {
  const dir = await realpath(await emptyFolder("pyro seeding-"));
  const root = join(dir, "repository");
  makeRepository(root, "mkdir sub; echo one > file; touch sub/x; git add -A; git commit -qm one");
  const context = composeEngineContext({ ...process.env, PYRO_CACHE_DIR: join(dir, "cache") });
  let count = 0;
  const seeded = async (choice: SeedChoice | undefined) => {
    count += 1;
    const path = join(dir, `disk-${count}`);
    return { ...(await seedDisk(context, choice, path, {})), path };
  };
  const stored = async () => (await readdir(join(dir, "cache/seeds/images")).catch(() => [])).length;
  return { dir, root, url: pathToFileURL(root).href, seeded, stored };
}
