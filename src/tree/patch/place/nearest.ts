/** A place in a file where lines are nearly as they are looked for. */
export interface NearPlace {
  /** Number of its first line, from 1 */
  readonly line: number;
  /** Number of the first line that differs, from 1 */
  readonly differentLine: number;
  /** What that line is and what it should be, in words; null if the file ends before it */
  readonly difference: string | null;
}

/** Limit for comparisons of lines, which a large file and a long text would need many of */
const maxComparisons = 2_000_000;
const maxLineChars = 120;
const shownBefore = 40;

/**
 * The place where most lines are the same apart from white space; undefined if none is. Of equally
 * good ones it is the one nearest to `near`, an index. Lines can have their ends or not.
 */
export function nearestPlace(lines: readonly string[], wanted: readonly string[], near = 0): NearPlace | undefined {
  if (lines.length * wanted.length > maxComparisons) return undefined;
  const have = lines.map((line) => line.trim());
  const want = wanted.map((line) => line.trim());
  let [best, bestScore] = [-1, 0];
  for (let start = 1 - want.length; start < have.length; start += 1) {
    const score = want.filter((line, index) => line !== "" && line === have[start + index]).length;
    const isNearer = Math.abs(start - near) < Math.abs(best - near);
    if (score > bestScore || (score > 0 && score === bestScore && isNearer)) [best, bestScore] = [start, score];
  }
  return bestScore === 0 ? undefined : placeAt(lines, wanted, best);
}

/** What differs at a place that begins at `start`, an index. */
export function placeAt(lines: readonly string[], wanted: readonly string[], start: number): NearPlace {
  const offset = wanted.findIndex((line, index) => line !== lines[start + index]);
  const at = start + Math.max(0, offset);
  const found = lines[at];
  const difference = found === undefined ? null : differenceOf(found, wanted[offset] ?? "");
  return { line: Math.max(0, start) + 1, differentLine: at + 1, difference };
}

/** Both lines from shortly before the first character that differs. */
function differenceOf(found: string, wanted: string): string {
  let same = 0;
  while (same < found.length && found[same] === wanted[same]) same += 1;
  const from = Math.max(0, same - shownBefore);
  const isOnlyEnd = found.trimEnd() === wanted.trimEnd();
  const show = (text: string) => {
    const shown = isOnlyEnd ? text : text.replace(/\r?\n$/, "");
    return JSON.stringify(shown.slice(from, from + maxLineChars));
  };
  return `${from === 0 ? "" : `from character ${from + 1} `}${show(found)} and not ${show(wanted)}`;
}
