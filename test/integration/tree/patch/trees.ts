import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Change } from "../../../../src/tree/patch/format.ts";

export interface Entry {
  readonly type: "file" | "symlink";
  readonly mode: number;
  readonly content: Buffer;
}

/** By path, each byte as a character of latin1. */
export type Tree = ReadonlyMap<string, Entry>;

export function runGit(dir: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync("git", args, {
    cwd: dir,
    input: input ?? "",
    maxBuffer: 64 * 1024 * 1024,
    env: {
      PATH: process.env["PATH"],
      HOME: dir,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CEILING_DIRECTORIES: tmpdir(),
      GIT_AUTHOR_NAME: "t",
      GIT_AUTHOR_EMAIL: "t@example.invalid",
      GIT_COMMITTER_NAME: "t",
      GIT_COMMITTER_EMAIL: "t@example.invalid",
      LC_ALL: "C",
    },
  });
  if (status !== 0) throw error ?? new Error(`git ${args.join(" ")}: ${stderr}\n${input ?? ""}`);
  return stdout.toString();
}

export function inTempDir<T>(work: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "pyro-patches-"));
  try {
    return work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export function writeTree(dir: string, tree: Tree): void {
  for (const [name, { type, mode, content }] of tree) {
    const path = absolute(dir, name);
    mkdirSync(path.subarray(0, path.lastIndexOf("/")), { recursive: true });
    if (type === "symlink") {
      symlinkSync(content, path);
    } else {
      writeFileSync(path, content);
      chmodSync(path, mode);
    }
  }
}

/** Takes everything but the repository away. */
export function clearTree(dir: string): void {
  for (const name of readdirSync(dir, { encoding: "buffer" })) {
    if (name.toString() !== ".git") rmSync(absolute(dir, name.toString("latin1")), { recursive: true });
  }
}

export function readTree(dir: string, prefix = ""): Tree {
  const tree = new Map<string, Entry>();
  for (const name of readdirSync(absolute(dir, prefix), { encoding: "buffer" })) {
    const path = prefix + name.toString("latin1");
    if (path === ".git") continue;
    const full = absolute(dir, path);
    const stat = lstatSync(full);
    if (stat.isDirectory()) {
      for (const [below, entry] of readTree(dir, `${path}/`)) tree.set(below, entry);
    } else if (stat.isSymbolicLink()) {
      tree.set(path, { type: "symlink", mode: 0o777, content: readlinkSync(full, { encoding: "buffer" }) });
    } else {
      tree.set(path, { type: "file", mode: stat.mode & 0o777, content: readFileSync(full) });
    }
  }
  return tree;
}

/** A tree so that two of them can be compared, and a difference read. */
export function listTree(tree: Tree): string[] {
  return [...tree]
    .map(([path, { type, mode, content }]) => {
      const kind = type === "symlink" ? "link" : mode & 0o100 ? "executable" : "file";
      return `${JSON.stringify(path)} ${kind} ${JSON.stringify(content.toString("latin1"))}`;
    })
    .toSorted();
}

export function changesBetween(before: Tree, after: Tree): Change[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return paths.map((path) => {
    const [old, next] = [before.get(path) ?? null, after.get(path) ?? null];
    const status = !old ? "added" : !next ? "deleted" : old.type === next.type ? "modified" : "type_changed";
    return { path: Buffer.from(path, "latin1"), status, old, new: next };
  });
}

const oddParts = ["a", "b", "x y", 'q"q', "t\tt", "n\nn", "b\\s", "\xff\xfe", "\xc3\xa9", " ", "-- ", "d"];

const pathName = fc.array(fc.constantFrom(...oddParts), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));

const lineText = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("one", "two", "three", "", "}") },
  { weight: 2, arbitrary: fc.constantFrom("-- a/x", "++ b/x", "@@ -1 +1 @@", "diff --git a/x b/x", "\\ No newline") },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 8 }).map((text) => text.replace(/[\n\0]/g, "")) },
);

const textContent = fc
  .tuple(fc.array(lineText, { maxLength: 20 }), fc.constantFrom("\n", "\r\n"), fc.boolean())
  .map(([lines, end, isEnded]) => lines.join(end) + (isEnded && lines.length > 0 ? end : ""))
  .map((text) => Buffer.from(text));

export const anyContent = fc.oneof(
  { weight: 4, arbitrary: textContent },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
);

/** What git prints as text is UTF-8, and what is not has a NUL, by which git tells bytes. */
export const gitContent = fc.oneof(
  { weight: 3, arbitrary: textContent },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from([0, ...bytes])) },
);

function entryOf(content: fc.Arbitrary<Buffer>): fc.Arbitrary<Entry> {
  const target = content.filter((bytes) => bytes.length > 0 && bytes.length < 1000 && !bytes.includes(0));
  return fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ type: fc.constant("file" as const), mode: fc.constantFrom(0o644, 0o755), content }),
    },
    { weight: 1, arbitrary: target.map((bytes) => ({ type: "symlink" as const, mode: 0o777, content: bytes })) },
  );
}

/** Two trees of which the second is made from the first by changes that tools see in projects. */
export function treePairs(content: fc.Arbitrary<Buffer>): fc.Arbitrary<readonly [Tree, Tree]> {
  const entry = entryOf(content);
  const edit = fc.oneof(
    fc.record({ what: fc.constant("put" as const), path: pathName, entry }),
    fc.record({ what: fc.constant("put at" as const), index: fc.nat(), entry }),
    fc.record({ what: fc.constant("delete" as const), index: fc.nat() }),
    fc.record({ what: fc.constant("chmod" as const), index: fc.nat() }),
    fc.record({ what: fc.constant("append" as const), index: fc.nat(), content }),
    fc.record({ what: fc.constantFrom("rename" as const, "copy" as const), index: fc.nat(), path: pathName }),
  );
  return fc
    .tuple(fc.array(fc.tuple(pathName, entry), { maxLength: 8 }), fc.array(edit, { maxLength: 8 }))
    .map(([start, edits]) => {
      const before = new Map<string, Entry>();
      for (const [path, item] of start) put(before, path, item);
      const after = new Map(before);
      for (const item of edits) {
        if (item.what === "put") put(after, item.path, item.entry);
        else applyEdit(after, item);
      }
      return [before, after] as const;
    });
}

type IndexedEdit =
  | { what: "put at"; index: number; entry: Entry }
  | { what: "delete" | "chmod"; index: number }
  | { what: "append"; index: number; content: Buffer }
  | { what: "rename" | "copy"; index: number; path: string };

function applyEdit(tree: Map<string, Entry>, edit: IndexedEdit): void {
  const paths = [...tree.keys()];
  const path = paths[edit.index % Math.max(1, paths.length)] ?? "";
  const entry = tree.get(path);
  if (!entry) return;
  switch (edit.what) {
    case "put at":
      tree.set(path, edit.entry);
      return;
    case "chmod":
      if (entry.type === "file") tree.set(path, { ...entry, mode: entry.mode ^ 0o111 });
      return;
    case "append":
      if (entry.type === "file") tree.set(path, { ...entry, content: Buffer.concat([entry.content, edit.content]) });
      return;
    case "copy":
      put(tree, edit.path, entry);
      return;
    case "rename":
      tree.delete(path);
      put(tree, edit.path, entry);
      return;
    case "delete":
      tree.delete(path);
  }
}

/** Makes room: nothing can be below a file, and nothing of that name beside it. */
function put(tree: Map<string, Entry>, path: string, entry: Entry): void {
  for (const other of tree.keys()) {
    if (other.startsWith(`${path}/`) || path.startsWith(`${other}/`)) tree.delete(other);
  }
  tree.set(path, entry);
}

function absolute(dir: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(path, "latin1")]);
}
