import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scanDirectory } from "../../../../src/tree/scan/scan.ts";
import { emptyFolder, evaluateAsOrdinaryUser, evaluateInNamespace, shell, shellAsOrdinaryUser } from "../folder.ts";
import { entryOf, shown } from "./shown-scan.ts";

test("a scan lists everything, parents first, with names as bytes", async () => {
  const dir = await emptyFolder();
  const long = "n".repeat(255);
  await shell(
    `cd "$1"; mkdir empty 'new
line' a a-b; echo hi > a/file; ln -s ../gone a/dangling; ln -s /etc outside
     printf x > "$(printf 'caf\\351')"; echo y > "$2"; echo z > -dash; chmod 4750 a/file; chmod 555 empty
     touch --date='@1700000000.123456789' a/file`,
    dir,
    long,
  );
  const scan = await scanDirectory(dir);
  expect(shown(scan)).toEqual([
    "directory .",
    "file -dash",
    "directory a",
    "directory a-b",
    "symlink a/dangling -> ../gone",
    "file a/file",
    'file "caf\\351"',
    "directory empty",
    'directory "new\\nline"',
    `file ${long}`,
    "symlink outside -> /etc",
  ]);
  expect(entryOf(scan, "a/file")).toMatchObject({ mode: 0o4750, size: 3, mtimeNs: 1700000000123456789n });
  expect(entryOf(scan, "empty")?.mode).toBe(0o555);
  expect(scan).toMatchObject({ skipped: [], entryCount: 11, contentBytes: 8 });
  expect(Math.abs(scan.newestChangeMs - Date.now())).toBeLessThan(60_000);
});

test("only links to files of the tree are hard links", async () => {
  const dir = await emptyFolder();
  await shell(
    'cd "$1"; mkdir in; echo a > out; ln out in/one; echo b > in/x; ln in/x in/y; mkdir in/z; ln in/x in/z/w',
    dir,
  );
  const scan = await scanDirectory(join(dir, "in"));
  expect(shown(scan)).toEqual([
    "directory .",
    "file one",
    "file x",
    "hard_link y -> x",
    "directory z",
    "hard_link z/w -> x",
  ]);
  expect(scan.contentBytes).toBe(4);
});

test("what cannot be kept is skipped with the reason", async () => {
  const dir = await emptyFolder();
  await shell('cd "$1"; mkfifo pipe; echo a > file', dir);
  const scan = await scanDirectory(dir);
  expect(shown(scan)).toEqual(["directory .", "file file"]);
  expect(scan.skipped).toEqual([{ path: "pipe", reason: "it is a named pipe" }]);
});

test("an ordinary user's scan skips what may not be read or entered", async () => {
  const dir = await emptyFolder();
  await shellAsOrdinaryUser(
    `cd "$1"; mkdir closed listed open; echo a > closed/in; echo a > listed/in; echo a > open/in; echo s > secret
     chmod 000 closed secret; chmod 600 listed`,
    dir,
  );
  const scan = await evaluateAsOrdinaryUser(
    `const { scanDirectory } = await import("./src/tree/scan/scan.ts");
     const { entries, skipped } = await scanDirectory(dir);
     return { paths: entries.map(({ path }) => path.toString()), skipped };`,
    { dir },
  );
  expect(scan).toEqual({
    paths: ["", "open", "open/in"],
    skipped: [
      { path: "closed", reason: "it cannot be entered: permission denied" },
      { path: "listed", reason: "it cannot be entered: permission denied" },
      { path: "secret", reason: "permission denied" },
    ],
  });
});

test("other file systems in the tree are entered", async () => {
  const dir = await emptyFolder();
  const paths = await evaluateInNamespace(
    'mkdir "$1/mounted"; mount -t tmpfs tmpfs "$1/mounted"; echo a > "$1/mounted/file"',
    dir,
    `const { scanDirectory } = await import("./src/tree/scan/scan.ts");
     return (await scanDirectory(dir)).entries.map(({ path }) => path.toString());`,
    { dir },
  );
  expect(paths).toEqual(["", "mounted", "mounted/file"]);
});

/** Pseudo file systems as in the folder of a system that runs there, and in its /proc a file */
const mountPseudo = `mkdir "$1/proc" "$1/sys" "$1/sub"; mount --rbind /proc "$1/proc"; mount --rbind /sys "$1/sys"
  echo a > "$1/sub/file"`;

test("pseudo file systems in the tree are left out, and the report says so", async () => {
  const dir = await emptyFolder();
  const scan = await evaluateInNamespace(
    mountPseudo,
    dir,
    `const { scanDirectory } = await import("./src/tree/scan/scan.ts");
     const { entries, skipped } = await scanDirectory(dir);
     return { paths: entries.map(({ path }) => path.toString()), skipped };`,
    { dir },
  );
  expect(scan).toEqual({
    paths: ["", "sub", "sub/file"],
    skipped: [
      { path: "proc", reason: "it is in a proc file system, whose files the kernel makes up" },
      { path: "sys", reason: "it is in a sysfs file system, whose files the kernel makes up" },
    ],
  });
});

test("listed files in a pseudo file system are left out, and the report says so", async () => {
  const dir = await emptyFolder();
  const scan = await evaluateInNamespace(
    mountPseudo,
    dir,
    `const { scanListed } = await import("./src/tree/scan/listed-scan.ts");
     const files = ["sub/file", "proc/version", "sys/kernel/mm"].map((path) => Buffer.from(path));
     const { entries, skipped } = await scanListed(dir, { files, folders: [], skipped: [] });
     return { paths: entries.map(({ path }) => path.toString()), skipped: skipped.map(({ path }) => path) };`,
    { dir },
  );
  expect(scan).toEqual({ paths: ["", "sub", "sub/file"], skipped: ["proc", "sys"] });
});

test.each(["/proc", "/proc/self/task", "/sys", "/sys/kernel", "/dev/pts"])("%s is no tree to read", async (dir) => {
  await expect(scanDirectory(dir)).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(/^cannot read directory '.*': it is in a \w+ file system, whose files/),
  });
});

test("the stamp is the same for the same tree and another one after any change", async () => {
  const dir = await emptyFolder();
  await shell('cd "$1"; echo one > file; ln -s a link; mkdir sub', dir);
  const first = await scanDirectory(dir);
  expect((await scanDirectory(dir)).stampKey).toBe(first.stampKey);
  const stamps = [first.stampKey];
  for (const change of [
    "echo two > file",
    "touch --date=@1700000000 file; echo two > file; touch --date=@1700000000 file",
    "chmod 700 sub",
    "ln -sfn b link",
    "mv file elif",
    "mkdir sub/more",
  ]) {
    await shell(`cd "$1"; ${change}`, dir);
    stamps.push((await scanDirectory(dir)).stampKey);
  }
  expect(new Set(stamps).size).toBe(stamps.length);
});

test("a link to a directory is followed, what is no directory is refused", async () => {
  const dir = await emptyFolder();
  await mkdir(join(dir, "real"));
  await writeFile(join(dir, "real", "file"), "");
  await symlink("real", join(dir, "link"));
  expect(shown(await scanDirectory(join(dir, "link")))).toEqual(["directory .", "file file"]);
  await expect(scanDirectory(join(dir, "real", "file"))).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(scanDirectory(join(dir, "gone"))).rejects.toMatchObject({
    code: "not_found",
    message: `cannot read directory '${dir}/gone': it is not there`,
  });
});

test("a tree that is too large is refused", async () => {
  const dir = await emptyFolder();
  await shell('cd "$1"; touch 1 2 3 4 5; truncate --size=2G large', dir);
  const scanWith = (maxEntries: number, maxBytes: number) => scanDirectory(dir, { limits: { maxEntries, maxBytes } });
  await expect(scanWith(6, 4e9)).rejects.toMatchObject({ code: "resource_exhausted" });
  await expect(scanWith(7, 2e9)).rejects.toMatchObject({ code: "resource_exhausted" });
  await expect(scanWith(7, 4e9)).resolves.toMatchObject({ entryCount: 7 });
});

test("a scan ends when it is cancelled", async () => {
  await expect(scanDirectory("/", { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ code: "cancelled" });
});
