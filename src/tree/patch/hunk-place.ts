import type { Hunk } from "./parse/hunk.ts";

export interface PlaceSearch {
  readonly lines: readonly string[];
  /** Index of the first line that no earlier hunk has */
  readonly from: number;
  /**
   * Distance in lines of the last hunk from its stated place, which the next one probably has too
   */
  offset: number;
  /** Limit for comparisons, so that a patch of many similar lines does not take minutes */
  comparisonsLeft: number;
}

/** Why a hunk has no place, and where it should have been. */
interface NoPlace {
  readonly wanted: number;
  readonly reason: string | null;
}

/** Index of the line at which the old lines of the hunk are, nearest to the stated one. */
export function findPlace(hunk: Hunk, search: PlaceSearch): number | NoPlace {
  const stated = hunk.oldLines.length === 0 ? hunk.oldStart : Math.max(0, hunk.oldStart - 1);
  const wanted = stated + search.offset;
  const first = search.from;
  const last = search.lines.length - hunk.oldLines.length;
  const isPlace = (index: number) => index >= first && index <= last && matches(hunk.oldLines, index, search);
  if (isPlace(wanted)) return wanted;
  const none: NoPlace = { wanted: stated, reason: null };
  // Without old lines every place would match.
  if (hunk.oldLines.length === 0) {
    return { ...none, reason: wanted > last ? `begins after the last line, ${last}` : "overlaps the one before it" };
  }
  const nearest = Math.max(1, first - wanted, wanted - last);
  const farthest = Math.max(wanted - first, last - wanted);
  for (let distance = nearest; distance <= farthest; distance++) {
    const found = [wanted - distance, wanted + distance].filter(isPlace);
    const [place, other] = found;
    if (search.comparisonsLeft < 0) return { ...none, reason: "has too many places where it nearly matches" };
    if (place === undefined) continue;
    if (other !== undefined) {
      return { ...none, reason: `matches equally well at lines ${place + 1} and ${other + 1}` };
    }
    search.offset = place - stated;
    return place;
  }
  return none;
}

function matches(wanted: readonly string[], at: number, search: PlaceSearch): boolean {
  return wanted.every((line, index) => {
    search.comparisonsLeft--;
    return line === search.lines[at + index];
  });
}
