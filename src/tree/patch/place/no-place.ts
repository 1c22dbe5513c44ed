import { PyroError } from "../../../core/errors.ts";
import type { Hunk } from "../parse/hunk.ts";
import type { NoPlace } from "./hunk-place.ts";
import { nearestPlace, placeAt } from "./nearest.ts";

/** A hunk that has no place in its file. */
interface Unplaced extends NoPlace {
  readonly path: string;
  readonly hunk: Hunk;
  /** From 1 */
  readonly number: number;
  readonly lines: readonly string[];
}

const shownLines = 5;
const shownCharacters = 200;
/** A text with fewer characters can be in a file by chance */
const leastTellingChars = 12;
const readAgain = "Read the file again, and make the patch from what it says now";

/** Why a hunk does not apply, what is in the file instead, and where. */
export function explainNoPlace({ path, hunk, number, lines, wanted, reason }: Unplaced): PyroError {
  const what = `cannot apply patch to '${path}': hunk ${number} (${hunk.header})`;
  if (reason !== null) {
    const hint = hunk.isCounted ? readAgain : "Add the lines around it to the hunk until it is in one place only";
    return new PyroError("failed_precondition", `${what} ${reason}`, { hint, details: { path, hunk: number } });
  }
  const applied = appliedAt(hunk, lines);
  if (applied !== null) {
    const why = `its old lines are not there, its new ones are, at line ${applied + 1}: it is probably already applied`;
    return new PyroError("failed_precondition", `${what} does not match: ${why}`, {
      hint: "Leave it out if it is",
      details: { path, hunk: number, line: applied + 1 },
    });
  }
  const near = nearestPlace(lines, hunk.oldLines, wanted) ?? placeAt(lines, hunk.oldLines, wanted);
  const { differentLine: line, difference } = near;
  const first = line - near.line;
  const expected = hunk.oldLines.slice(first, first + shownLines);
  const found = lines.slice(line - 1, line - 1 + shownLines);
  const is = difference === null ? `the file has ${lines.length} lines` : `it is ${difference}`;
  return new PyroError("failed_precondition", `${what} does not match at line ${line}: ${is}`, {
    hint: hintFor(expected[0], found[0]),
    details: { path, hunk: number, line, expected: expected.map(shorten), found: found.map(shorten) },
  });
}

/** Index of the line at which the new lines of a hunk are; null if none is certain. */
function appliedAt({ newLines }: Hunk, lines: readonly string[]): number | null {
  if (newLines.join("").trim().length < leastTellingChars) return null;
  const [first] = newLines;
  let comparisonsLeft = 1_000_000;
  const index = lines.findIndex((line, at) => {
    if (line !== first || comparisonsLeft < 0) return false;
    comparisonsLeft -= newLines.length;
    return newLines.every((wanted, offset) => wanted === lines[at + offset]);
  });
  return index === -1 ? null : index;
}

function hintFor(expected: string | undefined, found: string | undefined): string {
  if (expected !== undefined && expected !== found && found !== undefined) {
    if (expected.replace(/\n$/, "\r\n") === found)
      return "End the lines of the patch with CR LF, as those of the file do";
    if (expected === found.replace(/\n$/, "\r\n"))
      return "End the lines of the patch with LF only, as those of the file do";
    if (expected === `${found}\n`) return "Mark the last line: '\\ No newline at end of file' goes below it";
    if (`${expected}\n` === found) return "Take '\\ No newline at end of file' away: that line of the file has one";
  }
  return readAgain;
}

function shorten(line: string): string {
  return line.length > shownCharacters ? `${line.slice(0, shownCharacters)}…` : line;
}
