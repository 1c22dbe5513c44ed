import { chmod, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type PathList, scanListed } from "../../../../src/tree/scan/listed-scan.ts";
import { scanDirectory } from "../../../../src/tree/scan/scan.ts";
import { emptyFolder, evaluateAsOrdinaryUser, shell, shellAsOrdinaryUser } from "../folder.ts";
import { entryOf, shown } from "./shown-scan.ts";

test("what is listed is found with the folders that it is in, as a scan of everything finds it", async () => {
  const dir = await emptyFolder();
  const odd = Buffer.from("caf\xe9\n", "latin1");
  await shell(
    `cd "$1"; mkdir -p a/b other 'empty one'; echo hi > a/b/file; ln a/b/file a/hard; ln -s /etc link; echo x > "$(printf 'caf\\351\\n.')"; echo y > other/y; chmod 4750 a/b/file; chmod 700 a/b
     touch --date=@-5.25 a/b/file; truncate --size=1M sparse`,
    dir,
  );
  const everything = await scanDirectory(dir);
  const files = ["a/b/file", "a/hard", "link", "sparse"].map((path) => Buffer.from(path));
  const scan = await scanListed(dir, listOf([...files, Buffer.concat([odd, Buffer.from(".")])], ["empty one"]));
  expect(shown(scan)).toEqual([
    "directory .",
    "directory a",
    "directory a/b",
    "file a/b/file",
    "hard_link a/hard -> a/b/file",
    'file "caf\\351\\n."',
    "directory empty one",
    "symlink link -> /etc",
    "file sparse",
  ]);
  for (const entry of scan.entries.filter(({ type }) => type !== "directory")) {
    expect(entry).toEqual(everything.entries.find(({ path }) => path.equals(entry.path)));
  }
  expect(entryOf(scan, "a/b")?.mode).toBe(0o700);
  expect(scan).toMatchObject({ skipped: [], entryCount: 9, contentBytes: 1024 ** 2 + 5 });
  expect(scan.diskBytes).toBeLessThan(100_000);
});

test("what is not there, or something else, is left out with the folders that only it was in", async () => {
  const dir = await emptyFolder();
  await shell(
    `cd "$1"; mkdir -p a was-file gone outside/sub; echo x > a/file; echo x > was-folder; echo x > outside/sub/secret
     ln -s outside link; ln -s "$PWD/outside" absolute; mkfifo pipe; echo x > gone/untracked; ln -s outside/sub subrepo`,
    dir,
  );
  const missing = [
    "gone/file",
    "gone/deep/file",
    "was-folder/file",
    "was-file",
    "link/sub/secret",
    "absolute/sub/secret",
  ];
  const scan = await scanListed(dir, listOf([...missing, "a/file", "pipe"], ["subrepo", "was-folder", "nowhere"]));
  expect(shown(scan)).toEqual(["directory .", "directory a", "file a/file"]);
  expect(scan.skipped).toEqual([{ path: "pipe", reason: "it is a named pipe" }]);
});

test("paths that lead out, or say the same in another way, are not looked at", async () => {
  const dir = await emptyFolder();
  await shell('cd "$1"; mkdir in; echo x > in/a; echo x > secret', dir);
  const hostile = ["../secret", "/etc/passwd", "a/../../secret", "./a", "b//c", ".", "", "a\0b", "d/"];
  const scan = await scanListed(join(dir, "in"), listOf([...hostile, "a", "a"], []));
  expect(shown(scan)).toEqual(["directory .", "file a"]);
  expect(scan.skipped.map(({ reason }) => reason)).toEqual([
    "its path has '..' in it",
    "its path is absolute",
    ...["its path has '..' in it", ...Array(3).fill("its path has an empty name in it")],
    ...["its path is empty", "its name has a zero byte in it", "its path has an empty name in it"],
  ]);
});

test("nothing listed is an empty folder", async () => {
  const dir = await emptyFolder();
  await writeFile(join(dir, "untracked"), "");
  await chmod(dir, 0o750);
  const scan = await scanListed(dir, listOf([], []));
  expect(shown(scan)).toEqual(["directory ."]);
  expect(scan).toMatchObject({ entryCount: 1, contentBytes: 0, newestChangeMs: 0 });
  expect(entryOf(scan, "")?.mode).toBe(0o750);
});

test("an ordinary user's scan skips what may not be read or entered", async () => {
  const dir = await emptyFolder();
  await shellAsOrdinaryUser(
    `cd "$1"; mkdir -p closed/sub open; echo a > closed/sub/in; echo a > closed/in; echo a > open/in; echo s > open/secret
     chmod 000 closed open/secret`,
    dir,
  );
  const scan = await evaluateAsOrdinaryUser(
    `const { scanListed } = await import("./src/tree/scan/listed-scan.ts");
     const list = (...paths) => paths.map((path) => Buffer.from(path));
     const files = list("closed/sub/in", "closed/in", "open/in", "open/secret");
     const { entries, skipped } = await scanListed(dir, { files, folders: list("closed/sub"), skipped: [] });
     return { paths: entries.map(({ path }) => path.toString()), skipped };`,
    { dir },
  );
  expect(scan).toEqual({
    paths: ["", "open", "open/in"],
    skipped: [
      { path: "closed", reason: "it cannot be entered: permission denied" },
      { path: "open/secret", reason: "permission denied" },
    ],
  });
});

test("the stamp is another one after any change of what is listed, and the same after others", async () => {
  const dir = await emptyFolder();
  await shell('cd "$1"; mkdir sub; echo one > sub/file; ln -s a link; touch --date=@1700000000 sub/file', dir);
  const list = listOf(["sub/file", "link", "later"], []);
  const stamp = async () => (await scanListed(dir, list)).stampKey;
  const first = await stamp();
  for (const change of ["echo x > untracked", "mkdir sub/untracked", "touch sub", "rm -r untracked sub/untracked"]) {
    await shell(`cd "$1"; ${change}`, dir);
    expect(await stamp(), change).toBe(first);
  }
  const stamps = [first];
  for (const change of [
    "echo two > sub/file",
    "touch --date=@1700000000 sub/file",
    "chmod 700 sub",
    "ln -sfn b link",
    "echo x > later",
    "mv sub bus",
  ]) {
    await shell(`cd "$1"; ${change}`, dir);
    stamps.push(await stamp());
  }
  expect(new Set(stamps).size).toBe(stamps.length);
});

test("folders have the time of the newest file, because theirs change with what is not listed", async () => {
  const dir = await emptyFolder();
  await mkdir(join(dir, "sub"));
  await writeFile(join(dir, "sub", "old"), "");
  await writeFile(join(dir, "new"), "");
  await utimes(join(dir, "sub", "old"), 1_600_000_000, 1_600_000_000);
  await utimes(join(dir, "new"), 1_700_000_000.75, 1_700_000_000.75);
  const { entries, folderTimes } = await scanListed(dir, listOf(["sub/old", "new"], []));
  expect(folderTimes).toBe("newest");
  const times = entries.filter(({ type }) => type === "directory").map(({ mtimeNs }) => mtimeNs);
  expect(times).toEqual([1_700_000_000_000_000_000n, 1_700_000_000_000_000_000n]);
});

test("a link to a directory is followed, what is no directory is refused", async () => {
  const dir = await emptyFolder();
  await mkdir(join(dir, "real"));
  await writeFile(join(dir, "real", "file"), "");
  await symlink("real", join(dir, "link"));
  expect(shown(await scanListed(join(dir, "link"), listOf(["file"], [])))).toEqual(["directory .", "file file"]);
  await rm(join(dir, "link"));
  await expect(scanListed(join(dir, "link"), listOf([], []))).rejects.toMatchObject({ code: "not_found" });
  await rename(join(dir, "real", "file"), join(dir, "link"));
  await expect(scanListed(join(dir, "link"), listOf([], []))).rejects.toMatchObject({ code: "invalid_argument" });
});

test("a list that is too long is refused, and a scan ends when it is cancelled", async () => {
  const dir = await emptyFolder();
  await shell('cd "$1"; touch 1 2 3 4 5', dir);
  const list = listOf(["1", "2", "3", "4", "5"], []);
  const scanWith = (maxEntries: number) => scanListed(dir, list, { limits: { maxEntries, maxBytes: 1e9 } });
  await expect(scanWith(5)).rejects.toMatchObject({ code: "resource_exhausted" });
  await expect(scanWith(6)).resolves.toMatchObject({ entryCount: 6 });
  await expect(scanListed(dir, list, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
});

function listOf(files: readonly (string | Buffer)[], folders: readonly string[]): PathList {
  const toPath = (path: string | Buffer) => (typeof path === "string" ? Buffer.from(path) : path);
  return { files: files.map(toPath), folders: folders.map(toPath), skipped: [] };
}
