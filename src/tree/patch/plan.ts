import { PyroError } from "../../core/errors.ts";
import type { EntryType } from "../entry.ts";
import { displayPath } from "../name.ts";
import { pathKey } from "../path.ts";
import { applyFilePatch } from "./apply.ts";
import type { PatchKind } from "./parse/file-header.ts";
import type { FilePatch } from "./parse/parse.ts";
import { pathsWithoutFolder, withoutWorkspaceFolder } from "./workspace-folder.ts";

/** The entry at a path before the patch. A symbolic link is not followed. */
export interface PatchedEntry {
  readonly type: EntryType;
  /** Permission bits */
  readonly mode: number;
  /** Bytes of a file or target of a symbolic link; undefined if they are too many */
  readonly content?: Buffer | undefined;
}

export interface PlannedEntry {
  readonly type: "file" | "symlink";
  readonly mode: number;
  readonly content: Buffer;
}

/** What a patch does to a tree. */
export interface PlannedPatch {
  /** Deletions first */
  readonly changes: readonly PlannedChange[];
  /** What was read or fitted otherwise than it is written, in words */
  readonly adjusted: readonly string[];
}

export interface PlannedChange {
  readonly path: Buffer;
  readonly status: "added" | "modified" | "deleted";
  /** New entry; null if the path is deleted */
  readonly entry: PlannedEntry | null;
}

interface Written extends Omit<PlannedChange, "status" | "entry"> {
  readonly kind: PatchKind;
  readonly entry: PlannedEntry;
}

interface Plan {
  readonly before: (path: Buffer) => PatchedEntry | null;
  /** Paths that a part of the patch removes, so that another part can use them */
  readonly leaving: ReadonlySet<string>;
  readonly removed: Set<string>;
  readonly written: Map<string, Written>;
  readonly adjusted: string[];
  /** Content that was read and made so far, in `bytes` */
  contentBytes: number;
}

const linkMode = 0o120000;
/** Limit for content in `bytes`, because a small patch can rewrite a large file many times */
const maxContentBytes = 512 * 1024 * 1024;

/** Every path that `planPatch` asks for. */
export function pathsOf(patches: readonly FilePatch[]): Buffer[] {
  const paths = patches.flatMap(({ oldPath, newPath }) => [oldPath, newPath].filter((path) => path !== null));
  const asked = [...paths, ...pathsWithoutFolder(paths)];
  return [...new Map(asked.map((path) => [pathKey(path), path])).values()];
}

/**
 * Plans a patch: deletions first, then writes, each path once. Throws if any part cannot be done.
 * As in `git apply`, renames and copies start from the tree before the patch. Every other part
 * starts from the result of an earlier part.
 */
export function planPatch(written: readonly FilePatch[], before: (path: Buffer) => PatchedEntry | null): PlannedPatch {
  const patches = withoutWorkspaceFolder(written, (path) => before(path) !== null);
  const leaving = patches.flatMap(({ kind, oldPath }) =>
    (kind === "delete" || kind === "rename") && oldPath ? [pathKey(oldPath)] : [],
  );
  const plan: Plan = {
    before,
    leaving: new Set(leaving),
    removed: new Set(),
    written: new Map(),
    adjusted: [],
    contentBytes: 0,
  };
  for (const patch of patches) addToPlan(plan, asWritable(plan, patch));
  const deleted = [...plan.removed]
    .filter((key) => !plan.written.has(key))
    .map((key) => ({ path: Buffer.from(key, "latin1"), status: "deleted" as const, entry: null }));
  const changed = [...plan.written.values()].map(({ path, entry }) => {
    const was = before(path);
    const status = was && was.type !== "directory" ? ("modified" as const) : ("added" as const);
    return { path, status, entry };
  });
  return { changes: [...deleted, ...changed], adjusted: plan.adjusted };
}

/** A change that only adds lines to a file that does not exist makes it. */
function asWritable(plan: Plan, patch: FilePatch): FilePatch {
  const { kind, oldPath, newPath, hunks, adjusted } = patch;
  const isNew =
    kind === "modify" &&
    oldPath &&
    hunks.length > 0 &&
    !plan.before(oldPath) &&
    !current(plan, oldPath) &&
    hunks.every((hunk) => hunk.oldLines.length === 0 && (hunk.oldStart ?? 0) === 0);
  if (!isNew || !newPath) return patch;
  return { ...patch, kind: "add", oldPath: null, adjusted: [...adjusted, "it does not exist, so it is added"] };
}

function addToPlan(plan: Plan, patch: FilePatch): void {
  const { kind, oldPath, newPath } = patch;
  const old = oldPath && startOf(plan, patch, oldPath);
  if (newPath && kind !== "modify") checkFree(plan, newPath, patch);
  const oldContent = old && contentOf(old, oldPath, patch);
  const { content, adjusted } = applyFilePatch(oldContent, patch);
  const name = displayPath(newPath ?? oldPath ?? Buffer.alloc(0));
  plan.adjusted.push(...[...patch.adjusted, ...adjusted].map((what) => `${name}: ${what}`));
  if (patch.hunks.length > 0) limitContent(plan, (oldContent?.length ?? 0) + content.length);
  if (oldPath && (kind === "delete" || kind === "rename")) takeAway(plan, kind, oldPath);
  if (!newPath) return;
  const entry = { type: typeOf(old, patch.newMode), mode: modeOf(old, patch.newMode), content };
  plan.written.set(pathKey(newPath), { path: newPath, kind, entry });
}

function limitContent(plan: Plan, bytes: number): void {
  plan.contentBytes += bytes;
  if (plan.contentBytes <= maxContentBytes) return;
  const message = `cannot apply patch: the files it changes add up to more than ${maxContentBytes / 1024 / 1024} MiB`;
  throw new PyroError("resource_exhausted", message, {
    hint: "Send the patch in parts, with all hunks of a file together",
    details: { maxContentBytes },
  });
}

function startOf(plan: Plan, { kind }: FilePatch, oldPath: Buffer): PatchedEntry | null {
  if (kind !== "rename" && kind !== "copy") return current(plan, oldPath);
  if (kind === "rename" && plan.written.get(pathKey(oldPath))?.kind === "modify") {
    const path = displayPath(oldPath);
    throw new PyroError("invalid_argument", `cannot rename '${path}': an earlier part of the patch changes it`, {
      hint: "Put the hunks after the 'rename to' line",
      details: { path },
    });
  }
  return plan.before(oldPath);
}

function takeAway(plan: Plan, kind: "delete" | "rename", path: Buffer): void {
  // Another file can replace a renamed one, as in a swap of names.
  if (kind === "delete") plan.written.delete(pathKey(path));
  if (plan.before(path)) plan.removed.add(pathKey(path));
}

function current(plan: Plan, path: Buffer): PatchedEntry | null {
  const key = pathKey(path);
  const written = plan.written.get(key);
  if (written) return written.entry;
  return plan.removed.has(key) ? null : plan.before(path);
}

function checkFree(plan: Plan, path: Buffer, patch: FilePatch): void {
  const key = pathKey(path);
  if (!plan.written.has(key) && (isGone(plan, path, key) || plan.leaving.has(key))) return;
  const name = displayPath(path);
  const there = current(plan, path)?.content;
  const isApplied = patch.kind === "add" && there && applyFilePatch(null, patch).content.equals(there);
  if (isApplied) {
    throw new PyroError("already_exists", `cannot add '${name}': it is already applied, the file has this content`, {
      details: { path: name },
    });
  }
  throw new PyroError("already_exists", `cannot add '${name}': it exists`, {
    hint: "Read the file, and send a patch that changes it",
    details: { path: name },
  });
}

/** Whether nothing is at a path, or a directory of which the patch takes something away. */
function isGone(plan: Plan, path: Buffer, key: string): boolean {
  const entry = plan.before(path);
  if (!entry) return true;
  return entry.type === "directory" && [...plan.leaving].some((leaving) => leaving.startsWith(`${key}/`));
}

function contentOf(old: PatchedEntry, path: Buffer, { oldMode, hunks }: FilePatch): Buffer {
  // Git does not describe a file that it renames unchanged.
  const isAny = oldMode === undefined && hunks.length === 0 && old.type === "symlink";
  const wanted = oldMode === linkMode || isAny ? "symlink" : "file";
  if (old.type === wanted && old.content) return old.content;
  const name = displayPath(path);
  const is = { file: "a file", directory: "a directory", symlink: "a symbolic link", other: "neither file nor link" };
  const reason = old.type === wanted ? "it is too large" : `it is ${is[old.type]}, not ${is[wanted]}`;
  throw new PyroError("failed_precondition", `cannot apply patch to '${name}': ${reason}`, { details: { path: name } });
}

function typeOf(old: PatchedEntry | null, newMode: number | undefined): "file" | "symlink" {
  if (newMode !== undefined) return newMode === linkMode ? "symlink" : "file";
  return old?.type === "symlink" ? "symlink" : "file";
}

/**
 * Git knows the executable bit only. The other bits stay, and every class that can read can
 * execute.
 */
function modeOf(old: PatchedEntry | null, newMode: number | undefined): number {
  const mode = old?.mode ?? (newMode === linkMode ? 0o777 : 0o644);
  if (newMode === 0o100755) return mode | ((mode & 0o444) >> 2);
  return newMode === 0o100644 ? mode & ~0o111 : mode;
}
