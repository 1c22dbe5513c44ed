import type { GuestChange } from "../../guest/tree/messages.ts";
import { parentKey } from "../../tree/path.ts";
import { displayed, shownMode } from "../file/entry.ts";
import type { ChangeEntry, ChangeSummary, DiffEntry, LeftOut, WorkspaceDiff } from "./changes.ts";
import { foldChanges, gitFolder, isFolded } from "./fold.ts";

/** What a comparison says, before anything is done with it. */
export type ComparedTree = Omit<WorkspaceDiff, "outputPath">;

/** A change and what was made of it. */
export interface FoundChange {
  readonly change: GuestChange;
  /** The path, as `pathKey` has it */
  readonly key: string;
  readonly textPatch: string | null;
  readonly patch: string | null;
  /** Whether its content is too large to be told */
  readonly isOmitted: boolean;
}

interface ListedChange extends FoundChange {
  readonly leftOut: LeftOut | undefined;
  readonly artifactType: ChangeEntry["artifactType"];
}

/** All changes in the order of their use for a reader. `ignored` has the keys of new files. */
export function listChanges(
  found: readonly FoundChange[],
  ignored: ReadonlySet<string>,
): Omit<ComparedTree, "uncomparedCount" | "redactedCount"> {
  const listed = listedChanges(found, ignored).sort(
    (a, b) => rankOf(a) - rankOf(b) || Buffer.compare(a.change.path, b.change.path),
  );
  return {
    changed: found.length > 0,
    summary: summarizeChanges(found),
    entries: listed.map(entryOf),
    entriesTruncated: false,
    ...foldsOf(listed),
    ignoredCount: listed.filter(({ leftOut, artifactType }) => leftOut === "ignored" && artifactType !== "directory")
      .length,
    patch: listed.map(partOf).join(""),
    patchTruncated: listed.some(({ leftOut }) => leftOut === "too_large"),
  };
}

function foldsOf(listed: readonly ListedChange[]): Pick<WorkspaceDiff, "folded" | "foldedCount"> {
  const folded = foldChanges(listed, (key) => displayed(Buffer.from(key, "latin1")));
  return { folded, foldedCount: folded.length };
}

function listedChanges(found: readonly FoundChange[], ignored: ReadonlySet<string>): ListedChange[] {
  const listed = found.map((one) => ({ ...one, leftOut: leftOutOf(one, ignored), artifactType: typeOf(one.change) }));
  const made = foldersOf(listed.filter(({ leftOut }) => leftOut === undefined).map(({ key }) => key));
  // A patch makes and removes the folders of its files.
  return listed.map((one) =>
    one.leftOut === "directory" && one.change.status !== "modified" && made.has(one.key)
      ? { ...one, leftOut: undefined }
      : one,
  );
}

/** All folders that the paths are in. */
function foldersOf(keys: readonly string[]): ReadonlySet<string> {
  const folders = new Set<string>();
  for (const key of keys) {
    for (let folder = parentKey(key); folder && !folders.has(folder); folder = parentKey(folder)) folders.add(folder);
  }
  return folders;
}

/** Why a change, or a part of it, is not in the patch; undefined if all of it is. */
function leftOutOf({ change, key, patch, isOmitted }: FoundChange, ignored: ReadonlySet<string>): LeftOut | undefined {
  // git takes no patch for what is in such a folder.
  if (gitFolder(key) !== "") return "git";
  if (ignored.has(key)) return "ignored";
  const types = [change.old?.type, change.new?.type];
  if (types.includes("other")) return "special";
  const isDirectory = change.new?.type === "directory" || !(types.includes("file") || types.includes("symlink"));
  if (isDirectory) return "directory";
  if (isOmitted) return "too_large";
  return patch === null ? "permissions" : undefined;
}

/** What a reader needs comes first: the edits of what was there. Generated files come last. */
function rankOf({ change, leftOut }: ListedChange): number {
  if (leftOut === "git") return 5;
  if (leftOut === "ignored") return 4;
  return { modified: 0, deleted: 1, type_changed: 2, added: 3 }[change.status];
}

function partOf(change: ListedChange): string {
  return isFolded(change) ? "" : (change.patch ?? "");
}

function entryOf(listed: ListedChange): DiffEntry {
  const { change, artifactType, textPatch, leftOut } = listed;
  const { path, status } = change;
  const mode = modeChange(change);
  const part = partOf(listed);
  return {
    path: displayed(path),
    status,
    artifactType,
    ...(mode ? { mode } : {}),
    textPatch,
    inPatch: leftOut === undefined,
    ...(leftOut ? { leftOut } : {}),
    ...(part === "" ? {} : { patchBytes: Buffer.byteLength(part) }),
  };
}

function modeChange({ old, new: now }: GuestChange): ChangeEntry["mode"] {
  if (!old || !now || old.type !== now.type || old.type === "symlink" || old.mode === now.mode) return undefined;
  return { old: shownMode(old.mode), new: shownMode(now.mode) };
}

function typeOf({ old, new: now }: GuestChange): ChangeEntry["artifactType"] {
  return (now ?? old)?.type ?? "other";
}

function summarizeChanges(
  changes: readonly { readonly change: GuestChange; readonly textPatch: string | null }[],
): ChangeSummary {
  const count = (status: GuestChange["status"]) => changes.filter(({ change }) => change.status === status).length;
  const textPatched = changes.filter(({ textPatch }) => textPatch !== null).length;
  return {
    total: changes.length,
    added: count("added"),
    modified: count("modified"),
    deleted: count("deleted"),
    typeChanged: count("type_changed"),
    textPatched,
    nonText: changes.length - textPatched,
  };
}
