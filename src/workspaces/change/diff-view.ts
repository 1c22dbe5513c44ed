import { beginningOf, fitting } from "../../core/shorten.ts";
import { oneLine } from "../../tree/name.ts";
import type { ChangeEntry, ChangeSummary, DiffEntry, FoldedChanges, LeftOut, WorkspaceDiff } from "./changes.ts";
import { isFolded } from "./fold.ts";

/** Changes as a model and a person can read them. */

/** Room for what is neither in the entries nor in the patch */
const otherChars = 900;
/** Limit in characters, above which each patch is shown only once */
const maxTwiceChars = 4_000;
/**
 * Limit in characters, above which new files are no longer shown: a model seldom needs to read what
 * it has just made, and the changes of others are not cut by it
 */
const maxWithNewChars = 12_000;
const maxNamed = 20;
/** Part of the room for what is folded */
const foldedPart = 1 / 8;
/** Part of the room for the entries */
const entriesPart = 1 / 3;

/**
 * What is folded is not listed singly. Each other change is shown twice, by itself and in the whole
 * patch. If that is too long, its own patch becomes null. Then patches that do not fit are left
 * out, and the last entries.
 */
export function shortenDiff<D extends WorkspaceDiff>(diff: D, maxChars: number): D {
  const listed = diff.entries.filter((entry) => !isFolded(entry));
  const folded = fitting(diff.folded, maxChars * foldedPart);
  const twice = { ...diff, entries: listed.map(withoutBytes), folded };
  if (JSON.stringify(twice).length <= Math.min(maxChars, maxTwiceChars)) return twice;
  const once = { ...twice, entries: twice.entries.map((entry) => ({ ...entry, textPatch: null })) };
  if (JSON.stringify(once).length <= Math.min(maxChars, maxWithNewChars)) return once;
  const parts = new Map(partsOf(diff));
  const shown = shownCount(listed, maxChars);
  const besides = JSON.stringify([once.entries.slice(0, shown), folded]).length + otherChars;
  const { patch, kept } = fittingParts(listed, parts, {
    room: maxChars - besides,
    roomWithNew: Math.min(maxChars, maxWithNewChars) - besides,
  });
  const entries = listed
    .slice(0, shown)
    .map((entry) => (isShown(entry, kept) ? withoutBytes(entry) : withoutRoom(entry)));
  return {
    ...once,
    entries: entries.map((entry) => ({ ...entry, textPatch: null })),
    entriesTruncated: shown < listed.length,
    patch,
    patchTruncated: diff.patchTruncated || kept.size < parts.size,
  } as D;
}

/** How many of the entries have room. The edits come first. */
function shownCount(listed: readonly DiffEntry[], maxChars: number): number {
  const told = listed.map((entry) => (entry.patchBytes === undefined ? entry : withoutRoom(entry)));
  const edits = told.filter(({ status }) => status !== "added");
  const shown = fitting(edits, maxChars * entriesPart);
  if (shown.length < edits.length) return shown.length;
  const room = Math.min(maxChars, maxWithNewChars) * entriesPart - JSON.stringify(shown).length;
  return shown.length + fitting(told.slice(edits.length), room).length;
}

function withoutRoom(entry: DiffEntry): DiffEntry {
  return { ...entry, textPatch: null, inPatch: false, leftOut: "room" };
}

/** Whether what an entry said of the patch is true of its shown parts. */
function isShown({ path, patchBytes, inPatch, artifactType }: DiffEntry, kept: ReadonlySet<string>): boolean {
  if (patchBytes !== undefined) return kept.has(path);
  if (!inPatch || artifactType !== "directory") return true;
  // A directory is in the patch by its files.
  return [...kept].some((other) => other.startsWith(`${path}/`));
}

/** Each entry's part of the patch, by its path. */
function* partsOf({ entries, patch }: WorkspaceDiff): Generator<readonly [string, string]> {
  const bytes = Buffer.from(patch);
  let offset = 0;
  for (const { path, patchBytes = 0 } of entries) {
    if (patchBytes === 0) continue;
    yield [path, bytes.toString("utf8", offset, offset + patchBytes)];
    offset += patchBytes;
  }
}

function withoutBytes({ patchBytes: _, ...entry }: DiffEntry): DiffEntry {
  return entry;
}

/** Limits in characters: for all parts, and for as many as there are with a new file. */
interface PatchRoom {
  readonly room: number;
  readonly roomWithNew: number;
}

/** Whole parts as far as there is room, text first. If none fits, the beginning of the first. */
function fittingParts(
  entries: readonly DiffEntry[],
  parts: ReadonlyMap<string, string>,
  { room, roomWithNew }: PatchRoom,
): { readonly patch: string; readonly kept: ReadonlySet<string> } {
  const inOrder = entries.filter(({ path }) => parts.has(path));
  const byUse = [
    ...inOrder.filter(({ textPatch }) => textPatch !== null),
    ...inOrder.filter(({ textPatch }) => textPatch === null),
  ];
  const kept = new Set<string>();
  let taken = 0;
  for (const { path, status } of byUse) {
    // In JSON a line break and a quote are two characters.
    const length = JSON.stringify(parts.get(path)).length;
    if (taken + length > (status === "added" ? roomWithNew : room)) continue;
    taken += length;
    kept.add(path);
  }
  const [first] = byUse;
  if (kept.size === 0 && first) {
    const beginning = beginningOf(parts.get(first.path) ?? "", first.status === "added" ? roomWithNew : room);
    return { patch: `${beginning}\n[… the rest of this patch has no room here …]\n`, kept };
  }
  const patch = inOrder.map(({ path }) => (kept.has(path) ? parts.get(path) : "")).join("");
  const missing = inOrder.length - kept.size;
  return { patch: missing === 0 ? patch : `${patch}[… ${missing} more patches have no room here …]\n`, kept };
}

export function diffText(diff: WorkspaceDiff): string {
  const { changed, summary, patch, outputPath } = diff;
  const lines = [
    changed ? `${summary.total} ${summary.total === 1 ? "change" : "changes"}: ${countsOf(summary)}` : "No changes.",
    ...notesOf(diff),
    ...(outputPath === null ? [] : [`The whole patch is in ${oneLine(outputPath)}.`]),
  ];
  return `${lines.join("\n")}\n${patch === "" ? "" : `\n${patch}`}`;
}

export function countsOf(summary: ChangeSummary): string {
  const kinds = (["added", "modified", "deleted"] as const).map((kind) => `${summary[kind]} ${kind}`);
  return [...kinds, ...(summary.typeChanged > 0 ? [`${summary.typeChanged} of another type`] : [])].join(", ");
}

/** What a reader of the patch does not see in it. */
export function notesOf(diff: WorkspaceDiff): string[] {
  const { entries, entriesTruncated, folded, foldedCount, uncomparedCount } = diff;
  const notes = entries.flatMap((entry) => noteOf(entry) ?? []);
  const more = notes.length - maxNamed;
  return [
    ...notes.slice(0, maxNamed),
    ...(more > 0 ? [`… and ${more} more that are not in the patch: their entries say why`] : []),
    ...(entriesTruncated ? [`The entries are only the first ${entries.length}: paths shows others.`] : []),
    ...foldedLines(folded, foldedCount),
    ...(uncomparedCount > 0
      ? [`Not compared: ${uncomparedCount}, which vanished meanwhile or could not be read.`]
      : []),
  ];
}

const whyNot: Readonly<Record<Exclude<LeftOut, FoldedChanges["reason"]>, string>> = {
  directory: "a patch has files, not directories",
  special: "a device, a socket or a named pipe, which a patch cannot have",
  permissions: "of permissions a patch has only who may execute",
  too_large: "too large for the patch: export it",
  room: "no room for its patch here: paths shows it, or output_path writes it",
};

function noteOf(entry: DiffEntry): string | undefined {
  const { leftOut, mode } = entry;
  if (leftOut === "ignored" || leftOut === "git") return undefined;
  if (leftOut !== undefined) return `${inWords(entry)} (${whyNot[leftOut]})`;
  return mode && inWords(entry);
}

/** `modified src/run.sh, mode 0644 to 0755`. Names are shown by `show`. */
export function inWords({ status, path, mode }: ChangeEntry, show = shownAsText): string {
  const change = mode === undefined ? "" : `, mode ${mode.old} to ${mode.new}`;
  return `${status.replace("_", " ")} ${show(shownName(path))}${change}`;
}

/** `dist (400 new, ignored)`, of the first of `count` places. */
export function foldedLines(folded: readonly FoldedChanges[], count: number, show = shownAsText): string[] {
  const lines = folded.slice(0, maxNamed).map((fold) => `${show(shownName(fold.path))} (${whatIsFolded(fold)})`);
  const more = count - lines.length;
  return more > 0 ? [...lines, `… and ${more} more places with new files that the project ignores`] : lines;
}

function whatIsFolded({ count, reason }: FoldedChanges): string {
  if (reason === "git") return `${count} changed, which git takes no patch for`;
  return count === 0 ? "new, ignored" : `${count} new, ignored`;
}

const shownAsText = (name: string) => name;

/** A displayed path of the workspace from there, on one line. */
function shownName(path: string): string {
  return oneLine(path.replace(/^("?)\/workspace(?:\/|$)/, "$1")) || ".";
}
