import { type Hunk, headingsOf } from "./hunk.ts";
import { readBody } from "./hunk-body.ts";
import type { FilePatch } from "./parse.ts";
import { checkedPath } from "./patch-names.ts";
import { badPatch, countHunk, type PatchReader, trimEnd } from "./patch-reader.ts";

/**
 * The patch format that OpenAI's models write by habit, for the tool `apply_patch`: files begin
 * with `*** Add File: x`, `*** Update File: x` or `*** Delete File: x`, and hunks have no line
 * numbers. The grammar is in `apply_patch`'s instructions, in the repository openai/codex.
 */

const fileLine = /^\*\*\* (Add|Update|Delete) File: (.+)$/;
const moveLine = /^\*\*\* Move to: (.+)$/;
/** Of a hunk. Each is looked for in the whole file */
const maxHeadings = 10;
const endOfFileLine = "*** End of File";

/** Whether the next line begins a file in this format. */
export function isAtBegunFile(reader: PatchReader): boolean {
  return fileLine.test(lineAt(reader));
}

/** Reads the part of one file. */
export function readBegunFile(reader: PatchReader): FilePatch {
  const lineIndex = reader.at++;
  const [, action, name = ""] = fileLine.exec(trimEnd(reader.lines[lineIndex] ?? "")) ?? [];
  const { path, adjusted } = pathOf(name, lineIndex);
  const common = { oldPath: path, newPath: path, adjusted };
  if (action === "Delete") {
    checkEnd(reader, "'@@'");
    return { ...common, kind: "delete", newPath: null, hunks: [], isWhole: true };
  }
  if (action === "Add") return { ...common, kind: "add", oldPath: null, hunks: readNewFile(reader) };
  const [, newName] = moveLine.exec(lineAt(reader)) ?? [];
  const moved = newName === undefined ? null : pathOf(newName, reader.at++);
  const hunks = readUpdates(reader);
  if (hunks.length === 0 && !moved) throw badPatch(lineIndex, "no lines follow that the file loses or gains");
  if (!moved || moved.path.equals(path)) return { ...common, kind: "modify", hunks };
  return { ...common, kind: "rename", newPath: moved.path, adjusted: [...adjusted, ...moved.adjusted], hunks };
}

/** All lines of a new file. Each begins with '+', which models leave out before empty ones. */
function readNewFile(reader: PatchReader): Hunk[] {
  const { newLines } = readBody(reader, ({ lines, at }) => Boolean(lines[at]?.startsWith("+")));
  checkEnd(reader, "'+'");
  if (newLines.length === 0) return [];
  return [
    { ...unplaced, header: "new file", oldStart: 0, isCounted: true, oldLines: [], newLines, isLastRemoved: false },
  ];
}

const unplaced = { oldStart: null, isCounted: false, headings: [], isAtEnd: false } as const;

function readUpdates(reader: PatchReader): Hunk[] {
  const hunks: Hunk[] = [];
  for (;;) {
    countHunk(reader);
    const startIndex = reader.at;
    const headings: string[] = [];
    let header = "";
    while (lineAt(reader).startsWith("@@")) {
      header = lineAt(reader);
      headings.push(...headingsOf(header));
      reader.at++;
    }
    if (headings.length > maxHeadings) throw badPatch(startIndex, `more than ${maxHeadings} headings follow`);
    const lines = readBody(reader, ({ lines: all, at }) => /^[ +-]/.test(all[at] ?? ""));
    const isAtEnd = lineAt(reader) === endOfFileLine;
    if (isAtEnd) reader.at++;
    checkEnd(reader, "' ', '+', '-', '@@'");
    if (lines.oldLines.length + lines.newLines.length > 0) {
      hunks.push({ ...unplaced, ...lines, header: header || "@@", headings, isAtEnd });
    } else if (header !== "") {
      throw badPatch(startIndex, "no lines follow that the file loses or gains");
    }
    if (!lineAt(reader).startsWith("@@")) return hunks;
  }
}

/** Throws at a line that belongs to no part of a file. */
function checkEnd(reader: PatchReader, marks: string): void {
  for (let { at } = reader; ; at++) {
    const line = trimEnd(reader.lines[at] ?? "");
    const isEnd = reader.lines[at] === undefined || /^(?:\*\*\* |@@|```|diff --git |<{5,9} SEARCH)/.test(line);
    if (isEnd) {
      reader.at = at;
      return;
    }
    if (line.trim() === "") continue;
    throw badPatch(at, `'${line.slice(0, 60)}' begins with none of ${marks} and '*** '`, {
      hint: "Mark each line of the file, and end the patch with '*** End Patch'",
    });
  }
}

function pathOf(name: string, lineIndex: number) {
  const checked = checkedPath(Buffer.from(name.trim()));
  if (checked.problem !== null) throw badPatch(lineIndex, checked.problem);
  return checked;
}

function lineAt({ lines, at }: PatchReader): string {
  return trimEnd(lines[at] ?? "");
}
