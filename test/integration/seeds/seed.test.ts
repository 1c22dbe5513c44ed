import { mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { prepareSeed, type SeedRequest, type SeedSource, seedSourceOf } from "../../../src/seeds/seed.ts";
import { listSeeds, pruneSeeds } from "../../../src/seeds/store.ts";
import { checkImage, debugImage, listImage } from "../../helpers/image-content.ts";
import { tarOf } from "../tree/archive/tar-members.ts";
import { zipOf } from "../tree/archive/zip-members.ts";
import { emptyFolder, evaluateAsOrdinaryUser, ordinaryUid, shell, shellAsOrdinaryUser } from "../tree/folder.ts";

const gibibyte = 1024 ** 3;

test("the image of a directory has all of it, owned by root, beside the folders of an overlay", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell(
    `cd "$1"; mkdir -p in/sub/empty; echo hi > in/sub/file; ln in/sub/file in/hard; ln -s /etc in/link; mkfifo in/pipe
     echo x > "in/$(printf 'caf\\351')"; echo y > 'in/two
lines'; truncate --size=100M in/sparse; printf end >> in/sparse; chmod 4711 in/sub/file; chmod 750 in
     touch --date='@1700000000' in/sub/file in`,
    dir,
  );
  const seed = await prepareSeed(requestFor(dir, { kind: "directory", path: join(dir, "in") }));
  expect(seed).toMatchObject({ entryCount: 9, bytesWritten: 104857610, reused: false });
  expect(seed.skipped).toEqual([{ path: "pipe", reason: "it is a named pipe" }]);
  await checkImage(seed.imagePath);
  expect(await listImage(seed.imagePath, "/")).toEqual(["base 040750/0/0", "upper 040750/0/0", "work 040700/0/0"]);
  expect(await listImage(seed.imagePath, "/base")).toEqual([
    "caf\ufffd 100644/0/0",
    "hard 104711/0/0",
    "link 120777/0/0",
    "sparse 100644/0/0",
    "sub 040755/0/0",
    "two\nlines 100644/0/0",
  ]);
  expect(await debugImage(seed.imagePath, "cat /base/sub/file")).toBe("hi\n");
  expect(await debugImage(seed.imagePath, "stat /base/sub/file")).toMatch(/Links: 2.*mtime: 0x6553f100/s);
  for (const name of ["base", "upper"]) {
    expect(await debugImage(seed.imagePath, `stat /${name}`)).toContain("mtime: 0x6553f100");
  }
  expect(await debugImage(seed.imagePath, "stat /base/link")).toContain('Fast link dest: "/etc"');
  const { size, blocks, mode } = await stat(seed.imagePath);
  expect([size, mode & 0o777]).toEqual([gibibyte, 0o444]);
  expect(blocks * 512).toBeLessThan(4 << 20);
  expect(await readdir(join(dir, "cache", "staging"))).toEqual([]);
});

test("links with long texts, long names, deep folders and old times", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const deep = "d".repeat(250).concat("/").repeat(14);
  await shell(
    `cd "$1"; mkdir in; cd in; for length in 59 60 61 1000 4000; do ln -s "$(printf "%0\${length}d" 0)" $length; done
     touch "$2"; mkdir -p "$3"; touch "$3/file"; touch --date=@-1000 before; head -c 200000 /dev/zero > zeros`,
    ...[dir, "ü".repeat(127), deep],
  );
  const seed = await prepareSeed(requestFor(dir, { kind: "directory", path: join(dir, "in") }));
  await checkImage(seed.imagePath);
  expect(seed).toMatchObject({ entryCount: 1 + 5 + 1 + 14 + 1 + 1 + 1, skipped: [] });
  expect(await listImage(seed.imagePath, `/base/${deep}`)).toEqual(["file 100644/0/0"]);
  expect(await debugImage(seed.imagePath, "stat /base/before")).toContain("mtime: 0xfffffc18");
  for (const length of [59, 60, 61, 1000, 4000]) {
    const [, size] = /Size: (\d+)/.exec(await debugImage(seed.imagePath, `stat /base/${length}`)) ?? [];
    expect(Number(size)).toBe(length);
  }
});

test("names that mean something to programs are names like others", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const names = [
    "-C",
    "--exclude=*",
    "back\\nslash",
    "\\101",
    " space ",
    "*",
    "[a]",
    "{a,b}",
    "#x",
    "!x",
    "'\"$(x)`",
    "\r",
    "\t\n",
  ];
  await mkdir(join(dir, "in"));
  for (const name of names) await writeFile(join(dir, "in", name), name);
  const seed = await prepareSeed(requestFor(dir, { kind: "directory", path: join(dir, "in") }));
  const listed = await listImage(seed.imagePath, "/base");
  expect(listed).toEqual(names.map((name) => `${name} 100644/0/0`).toSorted());
});

test("an ordinary user's image is the same, whatever the modes in it", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shellAsOrdinaryUser(
    'cd "$1"; mkdir -p in/locked in/empty; echo hi > in/locked/file; chmod 444 in/locked/file; chmod 555 in/locked in/empty',
    dir,
  );
  const request = requestFor(dir, { kind: "directory", path: join(dir, "in") });
  const seed = await prepareAsOrdinaryUser(request);
  expect(seed).toMatchObject({ entryCount: 4, reused: false });
  await checkImage(seed.imagePath);
  expect(await listImage(seed.imagePath, "/base")).toEqual(["empty 040555/0/0", "locked 040555/0/0"]);
  expect(await listImage(seed.imagePath, "/base/locked")).toEqual(["file 100444/0/0"]);
  expect(await readdir(join(dir, "cache", "staging"))).toEqual([]);

  const archive = join(dir, "a.tar");
  await writeFile(
    archive,
    tarOf(
      [
        { name: "d/", mode: 0 },
        { name: "d/f", mode: 0, content: "secret" },
        { name: "d", kind: "5", mode: 0 },
      ].slice(1),
    ),
  );
  const unpacked = await prepareAsOrdinaryUser({ ...request, source: { kind: "archive", path: archive } });
  await checkImage(unpacked.imagePath);
  expect(await listImage(unpacked.imagePath, "/base")).toEqual(["d 040000/0/0"]);
  expect(await debugImage(unpacked.imagePath, "cat /base/d/f")).toBe("secret");
});

test("without user namespaces an ordinary user is told so", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await mkdir(join(dir, "bin"));
  await writeFile(
    join(dir, "bin", "unshare"),
    "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2; exit 1\n",
    {
      mode: 0o755,
    },
  );
  const request = requestFor(dir, { kind: "empty" }, { uid: 1000, searchPath: `${join(dir, "bin")}:/usr/bin:/bin` });
  await expect(prepareSeed(request)).rejects.toMatchObject({
    code: "unavailable",
    message: "cannot make a disk image as an ordinary user: unshare: unshare failed: Operation not permitted",
    hint: expect.stringContaining("user namespaces"),
  });
});

test("a directory that is unchanged is used again, a changed one is not", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell('mkdir "$1/in"; echo one > "$1/in/file"; sleep 2.1', dir);
  const request = requestFor(dir, { kind: "directory", path: join(dir, "in") });
  const first = await prepareSeed(request);
  const again = await prepareSeed({ ...request, searchPath: "/nowhere" });
  expect(again).toEqual({ ...first, reused: true });
  await shell('echo two > "$1/in/file"', dir);
  const changed = await prepareSeed(request);
  expect(changed.reused).toBe(false);
  expect(await debugImage(changed.imagePath, "cat /base/file")).toBe("two\n");
  expect(await debugImage(first.imagePath, "cat /base/file")).toBe("one\n");
});

test("what was changed a moment ago is not remembered by its stamp, but its image is found by content", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell('mkdir "$1/in"; echo one > "$1/in/file"', dir);
  const request = requestFor(dir, { kind: "directory", path: join(dir, "in") });
  const first = await prepareSeed(request);
  const names = await readdir(join(dir, "cache", "index")).catch(() => []);
  const second = await prepareSeed(request);
  expect(second).toEqual({ ...first, reused: true });
  if (Date.now() - (await stat(join(dir, "in", "file"))).ctimeMs < 1_900) expect(names).toEqual([]);
});

test("a tree that keeps changing is refused", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const path = join(dir, "in");
  await shell('mkdir "$1"; for i in $(seq 500); do echo $i > "$1/$i"; done', path);
  let isChanging = true;
  const change = async () => {
    for (let round = 0; isChanging; round += 1) await writeFile(join(path, "17"), String(round));
  };
  const changing = change();
  try {
    await expect(prepareSeed(requestFor(dir, { kind: "directory", path }))).rejects.toMatchObject({
      code: "failed_precondition",
      message: `cannot prepare directory '${path}': the tree keeps changing while it is read`,
    });
  } finally {
    isChanging = false;
    await changing;
  }
  expect(await readdir(join(dir, "cache", "staging"))).toEqual([]);
  expect(await listSeeds(join(dir, "cache"))).toEqual([]);
});

test("an empty seed is one image", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const first = await prepareSeed(requestFor(dir, { kind: "empty" }));
  const again = await prepareSeed(requestFor(dir, { kind: "empty" }));
  expect([first.reused, again.reused, again.digest, again.entryCount]).toEqual([false, true, first.digest, 1]);
  expect(await listImage(first.imagePath, "/")).toEqual(["base 040755/0/0", "upper 040755/0/0", "work 040700/0/0"]);
  await checkImage(first.imagePath);
});

test("an archive becomes an image, and is used again while it is the same file", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell(
    `cd "$1"; mkdir -p in/sub; echo hi > in/sub/file; ln in/sub/file in/hard; ln -s ../x in/link; chmod 555 in/sub
     tar --create --gzip --file=a.tgz --directory=in .; sleep 2.1`,
    dir,
  );
  const request = requestFor(dir, await seedSourceOf(join(dir, "a.tgz")));
  const first = await prepareSeed(request);
  expect(first).toMatchObject({ entryCount: 5, bytesWritten: 3, skipped: [], reused: false });
  await checkImage(first.imagePath);
  expect(await listImage(first.imagePath, "/base")).toEqual(["hard 100644/0/0", "link 120777/0/0", "sub 040555/0/0"]);
  expect(await debugImage(first.imagePath, "cat /base/hard")).toBe("hi\n");
  expect(await prepareSeed({ ...request, searchPath: "/nowhere" })).toEqual({ ...first, reused: true });
  await utimes(join(dir, "a.tgz"), 1, 1);
  expect(await prepareSeed(request)).toMatchObject({ digest: first.digest, reused: true });
});

test("sparse members become sparse files, and the places of their holes count", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell(
    `cd "$1"; mkdir in; truncate --size=300M in/file; printf x | dd of=in/file bs=1 seek=1M conv=notrunc status=none
     tar --create --sparse --mtime=@1700000000 --file=a.tar --directory=in .
     truncate --size=0 in/file; truncate --size=300M in/file; printf x | dd of=in/file bs=1 seek=2M conv=notrunc status=none
     tar --create --sparse --mtime=@1700000000 --file=b.tar --directory=in .`,
    dir,
  );
  const seeds = [];
  for (const name of ["a.tar", "b.tar"]) {
    seeds.push(await prepareSeed(requestFor(dir, await seedSourceOf(join(dir, name)))));
  }
  const [a, b] = seeds;
  expect(a).toMatchObject({ bytesWritten: 300 * 1024 ** 2, reused: false });
  expect(b).toMatchObject({ bytesWritten: 300 * 1024 ** 2, reused: false });
  expect(b?.digest).not.toBe(a?.digest);
  await checkImage(b?.imagePath ?? "");
  expect((await stat(b?.imagePath ?? "")).blocks * 512).toBeLessThan(4 << 20);
});

test("a zip archive becomes an image", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const path = join(dir, "a.zip");
  await writeFile(path, zipOf([{ name: "sub/file", content: "hi", method: 8, unixMode: 0o100640 }]));
  const seed = await prepareSeed(requestFor(dir, await seedSourceOf(path)));
  await checkImage(seed.imagePath);
  expect(await listImage(seed.imagePath, "/base/sub")).toEqual(["file 100640/0/0"]);
  expect(await debugImage(seed.imagePath, "cat /base/sub/file")).toBe("hi");
});

test("a hostile archive is refused before anything is written", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const path = join(dir, "a.tar");
  await writeFile(
    path,
    tarOf([{ name: "x" }, { name: "l", kind: "2", target: dir }, { name: "l/evil", content: "x" }]),
  );
  await expect(prepareSeed(requestFor(dir, { kind: "archive", path }))).rejects.toMatchObject({
    code: "invalid_argument",
  });
  expect(await readdir(dir, { recursive: true })).toEqual(["a.tar", "cache"]);
});

test("an image is linked to where it is used, and stays there when it is pruned", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const request = { ...requestFor(dir, { kind: "empty" }), linkTo: join(dir, "one.ext4") };
  const { imagePath } = await prepareSeed(request);
  await prepareSeed({ ...request, linkTo: join(dir, "two.ext4") });
  expect((await stat(imagePath)).nlink).toBe(3);
  await expect(prepareSeed(request)).rejects.toMatchObject({ code: "already_exists" });
  expect(await pruneSeeds(request.seedsDir, 0)).toHaveLength(1);
  expect(await listSeeds(request.seedsDir)).toEqual([]);
  expect(await readdir(join(request.seedsDir, "index"))).toEqual([]);
  await checkImage(join(dir, "one.ext4"));
  expect(await prepareSeed({ ...request, linkTo: join(dir, "three.ext4") })).toMatchObject({ reused: false });
  await expect(prepareSeed({ ...request, linkTo: join(dir, "no", "where") })).rejects.toMatchObject({
    code: "failed_precondition",
  });
});

test("on another file system the image is copied, with its holes", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const elsewhere = join("/dev/shm", `pyro-seed-${process.pid}.ext4`);
  try {
    await prepareSeed({ ...requestFor(dir, { kind: "empty" }), linkTo: elsewhere });
    const { size, blocks } = await stat(elsewhere);
    expect(size).toBe(gibibyte);
    expect(blocks * 512).toBeLessThan(8 << 20);
    await checkImage(elsewhere);
  } finally {
    await rm(elsewhere, { force: true });
  }
});

test("the least recently used images go when there are too many, never the one just made", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const paths = ["a", "b", "c"].map((name) => join(dir, name));
  await shell('for d in a b c; do mkdir "$1/$d"; echo $d > "$1/$d/file"; done; sleep 2.1', dir);
  const request = (path: string | undefined) => requestFor(dir, { kind: "directory", path: path ?? "" });
  const [a, b] = [await prepareSeed(request(paths[0])), await prepareSeed(request(paths[1]))];
  await utimes(b.imagePath, 1, 1);
  await utimes(a.imagePath, 2, 2);
  expect(await prepareSeed(request(paths[1]))).toMatchObject({ reused: true });
  const [{ allocatedBytes } = { allocatedBytes: 0 }] = await listSeeds(join(dir, "cache"));
  const c = await prepareSeed({ ...request(paths[2]), budgetBytes: 2.5 * allocatedBytes });
  const left = (await listSeeds(join(dir, "cache"))).map(({ digest }) => digest);
  expect(left.toSorted()).toEqual([b.digest, c.digest].toSorted());
  const d = await prepareSeed({ ...request(paths[0]), budgetBytes: 0 });
  expect((await listSeeds(join(dir, "cache"))).map(({ digest }) => digest)).toEqual([d.digest]);
});

test("a tree that does not fit into the disk is refused, and leaves nothing", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell('mkdir "$1/in"; head -c 60000000 /dev/urandom > "$1/in/file"', dir);
  const request = requestFor(dir, { kind: "directory", path: join(dir, "in") }, { imageBytes: 64 << 20 });
  await expect(prepareSeed(request)).rejects.toMatchObject({
    code: "resource_exhausted",
    message: expect.stringContaining("it does not fit into the workspace's disk"),
  });
  expect(await readdir(join(dir, "cache", "staging"))).toEqual([]);
  expect(await listSeeds(join(dir, "cache"))).toEqual([]);
});

test("a directory with pyro's cache in it is refused", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await expect(prepareSeed(requestFor(dir, { kind: "directory", path: dir }))).rejects.toMatchObject({
    code: "invalid_argument",
  });
});

test("what is not there is refused", async () => {
  const dir = await emptyFolder("pyro seeds-");
  const path = join(dir, "gone");
  await expect(seedSourceOf(path)).rejects.toMatchObject({ code: "not_found" });
  for (const kind of ["directory", "archive"] as const) {
    await expect(prepareSeed(requestFor(dir, { kind, path }))).rejects.toMatchObject({ code: "not_found" });
  }
});

test("a directory of 2,000 files", async () => {
  const dir = await emptyFolder("pyro seeds-");
  await shell(
    'cd "$1"; for d in $(seq 40); do mkdir -p in/$d; for f in $(seq 50); do echo $d $f > in/$d/$f; done; done; sleep 2.1',
    dir,
  );
  const request = requestFor(dir, { kind: "directory", path: join(dir, "in") }, { imageBytes: 32 * gibibyte });
  const startedMs = performance.now();
  const { imagePath } = await prepareSeed(request);
  const builtMs = performance.now();
  expect(await prepareSeed(request)).toMatchObject({ reused: true, entryCount: 2041 });
  const reusedMs = performance.now();
  const [build, reuse] = [builtMs - startedMs, reusedMs - builtMs].map(Math.round);
  console.log(
    `2,000 files: built in ${build} ms, used again in ${reuse} ms, ${(await stat(imagePath)).blocks / 2} KiB`,
  );
  await checkImage(imagePath);
});

function requestFor(dir: string, source: SeedSource, more: Partial<SeedRequest> = {}): SeedRequest {
  const seedsDir = join(dir, "cache");
  const uid = process.getuid?.() ?? ordinaryUid;
  return { source, seedsDir, imageBytes: gibibyte, uid, searchPath: "/usr/bin:/bin", ...more };
}

async function prepareAsOrdinaryUser(request: SeedRequest) {
  const seed = await evaluateAsOrdinaryUser('return (await import("./src/seeds/seed.ts")).prepareSeed(request);', {
    request: { ...request, uid: ordinaryUid },
  });
  if (seed.error) throw new Error(JSON.stringify(seed.error));
  return seed;
}
