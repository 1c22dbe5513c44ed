import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Pyro, type Workspace } from "../src/index.ts";
import { environmentName, pssMb } from "./machines.ts";
import { timeMs } from "./statistics.ts";

export type Record = (name: string, unit: "ms" | "MB", value: number) => void;

const rounds = 7;
const together = 10;
const pushedBytes = 50 * 1000 * 1000;
const filesPerFolder = 50;
const mb = 1_000_000;

/** Names of the figures of which one has a limit relative to the other. */
export const execNames = {
  reads: "workspace exec of a shell text that writes nothing",
  writes: "workspace exec of a shell text that writes a file",
} as const;

/** Names of the figures that have a limit. */
export const transferNames = { export: "export of 2,000 files", push: "sync push of 50 MB" } as const;

/**
 * Everything about workspaces; the ratios to the cold boot are made by the caller. `measureCold`
 * takes part in turn with what has a limit, so that both see the same moods of the machine.
 */
export async function measureWorkspaces(
  env: NodeJS.ProcessEnv,
  stateDir: string,
  record: Record,
  measureCold: () => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "pyro-bench-trees-"));
  const pyro = new Pyro({ env: { ...env, PYRO_STATE_DIR: stateDir } });
  try {
    const trees = new Map<number, string>();
    for (const count of [100, 2_000, 20_000]) trees.set(count, await makeTree(join(dir, String(count)), count));
    const usual = trees.get(2_000) ?? "";
    await measureLife(pyro, usual, record);
    for (const [count, tree] of trees) await measureDiff(pyro, tree, count, record);
    const source = join(dir, "pushed");
    await mkdir(source);
    await writeFile(join(source, "large"), Buffer.alloc(pushedBytes, "0123456789abcdef"));
    for (let round = 0; round < rounds; round++) {
      await measureCold();
      await measureTransfer(pyro, { usual, source, output: join(dir, `output-${round}`) }, record);
    }
    await measureTogether(pyro, usual, stateDir, record);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function makeTree(root: string, fileCount: number): Promise<string> {
  for (let folder = 0; folder * filesPerFolder < fileCount; folder++) {
    const dir = join(root, `folder-${folder}`);
    await mkdir(dir, { recursive: true });
    const count = Math.min(filesPerFolder, fileCount - folder * filesPerFolder);
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        writeFile(join(dir, `file-${index}.txt`), `line ${index}\n`.repeat(100)),
      ),
    );
  }
  return root;
}

function open(pyro: Pyro, seedPath: string): Promise<Workspace> {
  return pyro.createWorkspace({ environment: environmentName, seedPath });
}

async function measureLife(pyro: Pyro, tree: string, record: Record): Promise<void> {
  const firstMs = await timeMs(async () => {
    await using _ = await open(pyro, tree);
  });
  record("workspace from 2,000 files, created for the first time, and deleted", "ms", firstMs);
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await using workspace = await open(pyro, tree);
    record("workspace from 2,000 files, created again", "ms", performance.now() - startedMs);
    await workspace.exec(["true"]);
    record("workspace create to first exec", "ms", performance.now() - startedMs);
    const input = { environment: environmentName, seedPath: tree, networkPolicy: "egress" } as const;
    const egressMs = await timeMs(async () => {
      await using networked = await pyro.createWorkspace(input);
      await networked.exec(["true"]);
    });
    const offlineMs = await timeMs(async () => {
      await using offline = await open(pyro, tree);
      await offline.exec(["true"]);
    });
    record("workspace create, first exec and delete, with egress", "ms", egressMs);
    record("workspace create, first exec and delete, offline", "ms", offlineMs);
    await workspace.exec(["true"]);
    record("workspace exec round trip", "ms", await timeMs(() => workspace.exec(["true"])));
    await measureWrites(workspace, record);
    await measurePause(workspace, record);
    record("workspace reset", "ms", await timeMs(() => workspace.reset()));
  }
}

/** Commands that differ only in a file that they write, in turn. */
async function measureWrites(workspace: Workspace, record: Record): Promise<void> {
  for (const text of ["echo x > /dev/null", "echo x > f"]) await workspace.exec(text);
  for (let round = 0; round < rounds; round++) {
    record(execNames.reads, "ms", await timeMs(() => workspace.exec("echo x > /dev/null")));
    record(execNames.writes, "ms", await timeMs(() => workspace.exec("echo x > f")));
  }
}

/** Writes all the time, and prints the longest that it had to wait, in milliseconds. */
const writer = `
import os, time
file = os.open("/workspace/written", os.O_WRONLY | os.O_CREAT)
print("up", flush=True)
longest, last, end = 0, time.monotonic(), time.monotonic() + 1.5
while last < end:
    os.pwrite(file, b"x" * 4096, 0)
    now = time.monotonic()
    longest, last = max(longest, now - last), now
print(longest * 1000)
`;

async function measurePause(workspace: Workspace, record: Record): Promise<void> {
  let up: () => void = () => {};
  const isUp = new Promise<void>((resolve) => {
    up = resolve;
  });
  let printed = "";
  const onStdout = (chunk: Buffer) => {
    printed += chunk.toString();
    up();
  };
  const writing = workspace.exec(["python3", "-c", writer], { streams: { onStdout, onStderr() {} } });
  await isUp;
  record("snapshot, the call", "ms", await timeMs(() => workspace.snapshot("measured")));
  await writing;
  record("snapshot, longest wait of a guest that writes all the time", "ms", Number(printed.trim().split("\n").at(-1)));
}

async function measureDiff(pyro: Pyro, tree: string, fileCount: number, record: Record): Promise<void> {
  await using workspace = await open(pyro, tree);
  const edits = "for i in 0 1 2 3 4 5 6 7 8 9; do echo changed >> folder-$((i % 2))/file-$i.txt; done";
  await workspace.exec(edits);
  for (let round = 0; round < rounds; round++) {
    const ms = await timeMs(async () => {
      const { summary } = await workspace.diff();
      if (summary.modified !== 10) throw new Error(`the diff shows ${summary.modified} changes`);
    });
    record(`diff of 10 changes among ${fileCount.toLocaleString("en")} files`, "ms", ms);
  }
}

/** In a new workspace, whose guest has read none of the files before. */
async function measureTransfer(
  pyro: Pyro,
  { usual, source, output }: { readonly usual: string; readonly source: string; readonly output: string },
  record: Record,
): Promise<void> {
  await using workspace = await open(pyro, usual);
  await mkdir(output);
  const exportTo = (path: string, name: string) => timeMs(() => workspace.export(path, join(output, name)));
  record(transferNames.export, "ms", await exportTo("/workspace", "small"));
  record(transferNames.push, "ms", await timeMs(() => workspace.push(source, { dest: "pushed" })));
  record("export of 50 MB", "ms", await exportTo("pushed", "large"));
  record("sync push of 2,000 files", "ms", await timeMs(() => workspace.push(usual, { dest: "again" })));
  const ignore = { streams: { onStdout() {}, onStderr() {} } };
  record(
    "exec that prints 50 MB",
    "ms",
    await timeMs(() => workspace.exec(`head -c ${pushedBytes} /dev/zero`, ignore)),
  );
  // The many small files stay to the end, because a file system may be slow to reuse what was just
  // freed.
  await rm(join(output, "large"), { recursive: true });
}

async function measureTogether(pyro: Pyro, tree: string, stateDir: string, record: Record): Promise<void> {
  const startedMs = performance.now();
  const opened = await Promise.allSettled(Array.from({ length: together }, () => open(pyro, tree)));
  const workspaces = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  try {
    if (workspaces.length < together) throw new Error(`only ${workspaces.length} of ${together} workspaces came up`);
    await Promise.all(workspaces.map((workspace) => workspace.exec(["true"])));
    record(`${together} workspaces from one seed, all to first exec`, "ms", performance.now() - startedMs);
    const pids = await processesOf(stateDir);
    const memory = await Promise.all(pids.map(pssMb));
    const eachMb = memory.reduce((sum, value) => sum + value, 0) / together;
    record(`memory per workspace, ${together} running, supervisor and all (PSS)`, "MB", eachMb);
    record(`disk per workspace, ${together} from one seed`, "MB", (await diskBytes(stateDir)) / together / mb);
  } finally {
    await Promise.all(workspaces.map((workspace) => workspace.delete()));
  }
}

/**
 * Guardians, supervisors and virtual machines: the first two name the folder, the third is a child
 * of the second.
 */
async function processesOf(stateDir: string): Promise<number[]> {
  const ours = new Set<number>();
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const commandLine = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    if (commandLine.includes(stateDir)) ours.add(pid);
    const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
    parents.set(pid, Number(/^PPid:\t(\d+)/m.exec(status)?.[1]));
  }
  for (const [pid, parent] of parents) if (ours.has(parent)) ours.add(pid);
  ours.delete(process.pid);
  return [...ours];
}

/** What is on the disk for them alone: a seed has one copy, which its cache counts. */
async function diskBytes(dir: string): Promise<number> {
  const { stdout } = await promisify(execFile)("du", ["--summarize", "--block-size=1", "--exclude=seed.ext4", dir]);
  return Number(stdout.split("\t")[0]);
}
