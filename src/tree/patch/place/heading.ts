/** Lines from one index to before another. */
interface LineRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The parts of a file that its headings begin, such as the body of a function: up to the next line
 * that is not indented more. Each heading is looked for inside those before it; one that is not
 * there is skipped. Empty if none is there.
 */
export function rangesBelow(headings: readonly string[], lines: readonly string[]): readonly LineRange[] {
  let ranges: readonly LineRange[] = [];
  for (const heading of headings) {
    const within = ranges.length === 0 ? [{ start: 0, end: lines.length }] : ranges;
    const found = within.flatMap(({ start, end }) => findHeading(heading, lines, start, end));
    if (found.length > 0) ranges = found.map((start) => ({ start, end: endOf(lines, start) }));
  }
  return ranges;
}

/** Indices of the lines that are the heading, or else of those that begin with its words. */
function findHeading(heading: string, lines: readonly string[], from: number, to: number): number[] {
  const texts = lines.slice(from, to).map((line) => line.trim());
  const indices = (isHeading: (text: string) => boolean) =>
    texts.flatMap((text, index) => (isHeading(text) ? [from + index] : []));
  const same = indices((text) => text === heading);
  if (same.length > 0) return same;
  return indices((text) => text.startsWith(heading) && !/^\w/.test(text.slice(heading.length)));
}

function endOf(lines: readonly string[], start: number): number {
  const limit = indentOf(lines[start] ?? "");
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] ?? "";
    // A brace on a line of its own opens the part, or closes it.
    if (line.trim() !== "" && !/^\s*[{(]\s*$/.test(line) && indentOf(line) <= limit) return index;
  }
  return lines.length;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
