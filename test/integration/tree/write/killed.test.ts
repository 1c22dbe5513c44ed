import { once } from "node:events";
import { mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sweepExports } from "../../../../src/workspaces/record/unfinished-exports.ts";
import { eventually, everyProcess, killIfThere } from "../../../helpers/processes.ts";
import { emptyFolder, shell, startAsOrdinaryUser } from "../folder.ts";

const soonMs = 20_000;
const modulePath = (path: string) => new URL(`../../../../src/${path}`, import.meta.url).pathname;

interface Export {
  readonly notesDir: string;
  readonly targetDir: string;
  readonly kill: () => Promise<void>;
  /** Pid of the process that removes what a kill leaves */
  readonly removerPid: () => Promise<number | undefined>;
}

/** An export in a process of its own that has written much, and then waits for ever. */
async function waitingExport(): Promise<Export> {
  const dir = await emptyFolder();
  const [notesDir, targetDir] = [join(dir, "notes"), join(dir, "a target")];
  await shell('mkdir "$1" "$2"; chmod 777 "$1" "$2"', notesDir, targetDir);
  const child = startAsOrdinaryUser(
    `const { writeTree } = await import(writer);
     const { noteExport } = await import(notes);
     const items = async function* () {
       const base = { mode: 0o555, mtimeNs: 0n, size: 0, content: async function* () {} };
       yield { ...base, path: Buffer.alloc(0), type: "directory" };
       yield { ...base, path: Buffer.from("sub"), type: "directory" };
       yield { ...base, path: Buffer.from("sub/file"), type: "file" };
       console.log("waiting");
       await new Promise((resolve) => setTimeout(resolve, 600_000));
     };
     await writeTree(items(), target, { limits: { maxEntries: 9, maxBytes: 9 }, note: (path) => noteExport(notesDir, path) });`,
    {
      writer: modulePath("tree/write/write-tree.ts"),
      notes: modulePath("workspaces/record/unfinished-exports.ts"),
      target: join(targetDir, "out"),
      notesDir,
    },
  );
  const { pid = 0 } = child;
  onTestFinished(() => killIfThere(pid));
  if (child.stdout) await once(child.stdout, "data");
  const [name = ""] = await readdir(targetDir);
  expect(name).toMatch(/^\.out\.pyro-/);
  const removers = async () =>
    (await everyProcess()).filter(({ commandLine }) => commandLine.includes(`pyro-export ${name}`));
  return {
    notesDir,
    targetDir,
    async kill() {
      const ended = once(child, "exit");
      process.kill(-pid, "SIGKILL");
      await ended;
    },
    removerPid: async () => (await removers())[0]?.pid,
  };
}

const isEmpty = (dir: string) => async () => (await readdir(dir)).length === 0;

test("an export whose process group is killed leaves nothing, even if its folder was moved", async () => {
  const { targetDir, kill, notesDir, removerPid } = await waitingExport();
  await rename(targetDir, `${targetDir} moved`);
  await kill();
  await eventually(isEmpty(`${targetDir} moved`), soonMs, "what it wrote is removed");
  await eventually(async () => (await removerPid()) === undefined, soonMs, "the remover ends");
  expect(await readdir(notesDir)).toEqual([]);
});

test("what is left when the remover is killed too goes with the next look", async () => {
  const { targetDir, notesDir, kill, removerPid } = await waitingExport();
  await sweepExports(notesDir);
  expect((await readdir(targetDir)).length).toBe(1);
  killIfThere((await removerPid()) ?? 0);
  await kill();
  expect((await readdir(targetDir)).length).toBe(1);
  await sweepExports(notesDir);
  expect(await readdir(targetDir)).toEqual([]);
  expect(await readdir(notesDir)).toEqual([]);
});

test("a note whose export is not in its folder goes with the next look, unless that was moved", async () => {
  const { targetDir, notesDir, kill, removerPid } = await waitingExport();
  killIfThere((await removerPid()) ?? 0);
  await kill();
  // As if the process had been killed before it began to write, or after it was complete.
  await shell('chmod -R u+w "$1" && rm -rf "$1"/.out.pyro-*', targetDir);
  await rename(targetDir, `${targetDir} moved`);
  await mkdir(targetDir);
  await sweepExports(notesDir);
  expect(await readdir(notesDir)).toHaveLength(1);
  await rm(targetDir, { recursive: true });
  await rename(`${targetDir} moved`, targetDir);
  await sweepExports(notesDir);
  expect(await readdir(notesDir)).toEqual([]);
});

test("if its folder was moved as well, the next export into it removes it", async () => {
  const { targetDir, notesDir, kill, removerPid } = await waitingExport();
  killIfThere((await removerPid()) ?? 0);
  await kill();
  const moved = `${targetDir} moved`;
  await rename(targetDir, moved);
  await sweepExports(notesDir);
  expect((await readdir(moved)).length).toBe(1);
  await sweepExports(notesDir, moved);
  expect([await readdir(moved), await readdir(notesDir)]).toEqual([[], []]);
});

test("a leftover can be a link that leads nowhere", async () => {
  const dir = await emptyFolder();
  const left = join(dir, ".out.pyro-0123456789abcdef");
  await symlink("/no/where", left);
  const note = { path: left, process: { pid: 2 ** 30, start_ticks: "0", boot_id: "" } };
  await writeFile(join(dir, ".export-0123456789abcdef.json"), JSON.stringify(note));
  await sweepExports(dir);
  expect(await readdir(dir)).toEqual([]);
});

test("a note that names anything else removes nothing", async () => {
  const dir = await emptyFolder();
  const precious = join(dir, "precious");
  await mkdir(precious);
  const note = (path: string) => JSON.stringify({ path, process: { pid: 2 ** 30, start_ticks: "0", boot_id: "" } });
  await writeFile(join(dir, ".export-0123456789abcdef.json"), note(precious));
  await writeFile(join(dir, ".export-0123456789abcde0.json"), note(`${dir}/..`));
  await writeFile(join(dir, ".export-0123456789abcde1.json"), "nonsense");
  await sweepExports(dir, dir);
  expect(await readdir(dir)).toEqual([basename(precious)]);
});
