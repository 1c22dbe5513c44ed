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
/** Of a line that is compared by its pairs of characters */
const comparedChars = 400;
const leastLikeness = 0.6;
const maxLineChars = 120;
const shownBefore = 40;

/**
 * The place where most lines are the same apart from white space, or else where the longest line is
 * most alike; undefined if there is none. Of equally good ones it is the one nearest to `near`, an
 * index. Lines can have their ends or not.
 */
export function nearestPlace(lines: readonly string[], wanted: readonly string[], near = 0): NearPlace | undefined {
  if (lines.length * wanted.length > maxComparisons) return undefined;
  const have = lines.map(withoutSpace);
  const want = wanted.map(withoutSpace);
  let [best, bestScore] = [-1, 0];
  for (let start = 1 - want.length; start < have.length; start += 1) {
    const score = want.filter((line, index) => line !== "" && line === have[start + index]).length;
    const isNearer = Math.abs(start - near) < Math.abs(best - near);
    if (score > bestScore || (score > 0 && score === bestScore && isNearer)) [best, bestScore] = [start, score];
  }
  if (bestScore > 0) return placeAt(lines, wanted, best);
  const alike = mostAlike(have, want);
  return alike === undefined ? undefined : placeAt(lines, wanted, alike);
}

/** The place at which the longest wanted line is most like one there; undefined if none is. */
function mostAlike(have: readonly string[], want: readonly string[]): number | undefined {
  const longest = want.reduce((best, line, index) => (line.length > (want[best] ?? "").length ? index : best), 0);
  const pairs = pairsOf(want[longest] ?? "");
  const chars = have.reduce((sum, line) => sum + Math.min(line.length, comparedChars), 0);
  if (chars > maxComparisons) return undefined;
  let [best, bestLikeness] = [-1, leastLikeness];
  for (const [index, line] of have.entries()) {
    const likeness = likenessOf(pairs, pairsOf(line));
    if (likeness > bestLikeness) [best, bestLikeness] = [index, likeness];
  }
  return best === -1 ? undefined : Math.max(0, best - longest);
}

/** Sørensen–Dice coefficient of the pairs of neighbouring characters: 1 for the same ones */
function likenessOf(pairs: ReadonlySet<string>, others: ReadonlySet<string>): number {
  let common = 0;
  for (const pair of pairs) if (others.has(pair)) common += 1;
  return (2 * common) / Math.max(1, pairs.size + others.size);
}

function pairsOf(line: string): ReadonlySet<string> {
  const text = line.slice(0, comparedChars);
  return new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, index) => text.slice(index, index + 2)));
}

function withoutSpace(line: string): string {
  return line.replace(/\s+/g, "");
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
