import type { Hunk } from "../parse/hunk.ts";
import { rangesBelow } from "./heading.ts";

export interface PlaceSearch {
  readonly lines: readonly string[];
  /** Index of the first line that no earlier hunk has */
  from: number;
  /**
   * Distance in lines of the last hunk from its stated place, which the next one probably has too
   */
  offset: number;
  /** Limit for comparisons, so that a patch of many similar lines does not take minutes */
  comparisonsLeft: number;
}

/** Why a hunk has no place, and where it should have been; null if its lines are nowhere. */
export interface NoPlace {
  readonly wanted: number;
  readonly reason: string | null;
}

const tooMany = "has too many places where it nearly matches";
const maxNamedLines = 20;

/** Index of the line at which the old lines of the hunk are. */
export function findPlace(hunk: Hunk, search: PlaceSearch): number | NoPlace {
  const isStated = hunk.oldStart !== null && (hunk.isCounted || hunk.oldLines.length === 0);
  return isStated ? findNear(hunk, hunk.oldStart, search) : findOnly(hunk, search);
}

/** The place nearest to the stated line. */
function findNear(hunk: Hunk, oldStart: number, search: PlaceSearch): number | NoPlace {
  const stated = hunk.oldLines.length === 0 ? oldStart : Math.max(0, oldStart - 1);
  const wanted = stated + search.offset;
  const first = search.from;
  const last = search.lines.length - hunk.oldLines.length;
  const isPlace = (index: number) => index >= first && index <= last && matches(hunk.oldLines, index, search);
  const none: NoPlace = { wanted: stated, reason: null };
  // Line 0 is of an empty file, as git reads it too.
  if (hunk.oldLines.length === 0 && oldStart === 0 && search.lines.length > 0) {
    return { ...none, reason: "is for an empty or new file, which this is not" };
  }
  if (isPlace(wanted)) return wanted;
  // Without old lines every place would match.
  if (hunk.oldLines.length === 0) {
    return { ...none, reason: wanted > last ? `begins after the last line, ${last}` : "overlaps the one before it" };
  }
  const nearest = Math.max(1, first - wanted, wanted - last);
  const farthest = Math.max(wanted - first, last - wanted);
  for (let distance = nearest; distance <= farthest; distance++) {
    const found = [wanted - distance, wanted + distance].filter(isPlace);
    const [place, other] = found;
    if (search.comparisonsLeft < 0) return { ...none, reason: tooMany };
    if (place === undefined) continue;
    if (other !== undefined) {
      return { ...none, reason: `matches equally well at lines ${place + 1} and ${other + 1}` };
    }
    search.offset = place - stated;
    return place;
  }
  return none;
}

/**
 * The only place below the hunk before. If the lines are several times there, the headings that the
 * hunk names must leave one.
 */
function findOnly(hunk: Hunk, search: PlaceSearch): number | NoPlace {
  const { lines, from } = search;
  const { oldLines } = hunk;
  const none: NoPlace = { wanted: Math.max(0, (hunk.oldStart ?? 1) - 1), reason: null };
  if (oldLines.length === 0) {
    if (hunk.isAtEnd || lines.length === 0) return lines.length;
    return { ...none, reason: "only adds lines, and does not say where" };
  }
  const places = placesOf(hunk, search);
  if (search.comparisonsLeft < 0) return { ...none, reason: tooMany };
  if (places.length === 0) {
    const above = lines.findIndex((_, index) => index < from && matches(oldLines, index, search));
    if (above === -1) return none;
    return { ...none, reason: `matches only at line ${above + 1}, above the end of the hunk before it` };
  }
  const [only, other] = places.length === 1 ? places : narrow(places, hunk, lines);
  if (only !== undefined && other === undefined) return only;
  const shown = places.slice(0, maxNamedLines).map((index) => index + 1);
  const more = places.length > maxNamedLines ? " …" : "";
  return { ...none, reason: `matches at ${places.length} places, lines ${shown.join(", ")}${more}` };
}

/** Every place below the hunk before; incomplete if there are too many comparisons. */
function placesOf({ oldLines, isAtEnd }: Hunk, search: PlaceSearch): number[] {
  const last = search.lines.length - oldLines.length;
  const places: number[] = [];
  for (let index = isAtEnd ? Math.max(search.from, last) : search.from; index <= last; index++) {
    if (matches(oldLines, index, search)) places.push(index);
    if (search.comparisonsLeft < 0) break;
  }
  return places;
}

/** Those places that are in the part of the file that a heading begins, or else those below it. */
function narrow(places: readonly number[], { headings }: Hunk, lines: readonly string[]): readonly number[] {
  const ranges = rangesBelow(headings, lines);
  if (ranges.length === 0) return places;
  const inside = places.filter((place) => ranges.some(({ start, end }) => place >= start && place < end));
  if (inside.length > 0) return inside;
  const first = Math.min(...ranges.map(({ start }) => start));
  return places.filter((place) => place >= first);
}

function matches(wanted: readonly string[], at: number, search: PlaceSearch): boolean {
  return wanted.every((line, index) => {
    search.comparisonsLeft--;
    return line === search.lines[at + index];
  });
}
