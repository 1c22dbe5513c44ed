import { beginningOf, fitting } from "../../core/shorten.ts";
import type { DiffEntry, WorkspaceDiff } from "./changes.ts";

/** Changes as a model can read them. */

const otherChars = 700;
/** Limit in characters, above which each patch is shown only once */
const maxTwiceChars = 4_000;
const maxUnseenLines = 20;

/**
 * Each change is shown twice, by itself and in the whole patch. If that is too long, its own patch
 * becomes null. Then the whole patch loses its end.
 */
export function shortenDiff<D extends WorkspaceDiff>(diff: D, maxChars: number): D {
  if (JSON.stringify(diff).length <= Math.min(maxChars, maxTwiceChars)) return diff;
  const once = { ...diff, entries: diff.entries.map((entry) => ({ ...entry, textPatch: null })) };
  if (JSON.stringify(once).length <= maxChars) return once;
  const entries = fitting(once.entries, maxChars / 3);
  const room = maxChars - JSON.stringify(entries).length - otherChars;
  return { ...once, entries, patch: beginningOfPatch(diff.patch, room), truncated: true };
}

/** Whole files' patches as far as there is room, those that can be read first. */
function beginningOfPatch(patch: string, maxChars: number): string {
  const all = patch.split(/^(?=diff --git )/m);
  const isBinary = (file: string) => /^GIT binary patch$/m.test(file);
  const files = [...all.filter((file) => !isBinary(file)), ...all.filter(isBinary)];
  const shown: string[] = [];
  let room = maxChars;
  for (const file of files) {
    room -= file.length;
    if (room < 0) break;
    shown.push(file);
  }
  const missing = files.length - shown.length;
  if (missing === 0) return patch;
  if (shown.length > 0) {
    return `${shown.join("")}[… the patches of ${missing} more files: workspace_diff with their paths shows them …]\n`;
  }
  const more = missing === 1 ? "" : `, and those of ${missing - 1} more files: workspace_diff with paths shows them`;
  return `${beginningOf(files[0] ?? "", maxChars)}\n[… the rest of this patch: workspace_file_read shows the file${more} …]\n`;
}

export function diffText({ changed, summary, entries, patch, truncated }: WorkspaceDiff): string {
  if (!changed) return "No changes.\n";
  const kinds = [
    ...(["added", "modified", "deleted"] as const).map((kind) => `${summary[kind]} ${kind}`),
    ...(summary.typeChanged > 0 ? [`${summary.typeChanged} of another type`] : []),
  ];
  const ignoredCount = entries.filter(({ ignored }) => ignored).length;
  const isSeen = ({ artifactType, path }: DiffEntry) =>
    artifactType === "directory" || patch.includes(nameInPatch(path));
  const unseen = entries.filter((entry) => !entry.ignored && !isSeen(entry));
  const lines = [
    `${summary.total} ${summary.total === 1 ? "change" : "changes"}: ${kinds.join(", ")}`,
    ...unseen
      .slice(0, maxUnseenLines)
      .map(({ status, path }) => `${status} ${path} (not in the patch below: workspace_export has it)`),
    ...(unseen.length > maxUnseenLines ? [`… and ${unseen.length - maxUnseenLines} more`] : []),
    ...(ignoredCount > 0 ? [`${ignoredCount} of them are new and ignored by the project, so not in the patch`] : []),
    ...(truncated ? ["The patch below is not all of it."] : []),
  ];
  return `${lines.join("\n")}\n\n${patch}`;
}

function nameInPatch(path: string): string {
  return path.replace(/^\/workspace\//, "");
}
