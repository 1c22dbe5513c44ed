import type { ContentPiece } from "../entry.ts";
import type { ByteSource } from "./bytes.ts";
import { numeric, type PaxRecords, tarBlockBytes } from "./tar-header.ts";

/** The parts of a file that an archive stores. The rest are holes. */
export interface SparseMap {
  /** Length of the file in `bytes`, holes included */
  readonly size: number;
  /** Offset and length of each part, one after the other, in order and in `bytes` */
  readonly parts: readonly number[];
  /** Why the map cannot be used; absent if it can */
  readonly problem?: string;
}

/** Limit that keeps a map in memory: 1 million parts */
const maxNumbers = 2_000_000;
const oldEntryBytes = 24;

/** A map that stands in an old GNU header and in the blocks after it. */
export async function oldGnuMap(header: Buffer, source: ByteSource, storedBytes: number): Promise<SparseMap> {
  const parts: number[] = [];
  addOldEntries(parts, header.subarray(386, 386 + 4 * oldEntryBytes));
  for (let isExtended = header[482] !== 0; isExtended; ) {
    const block = await source.exactly(tarBlockBytes);
    addOldEntries(parts, block.subarray(0, 21 * oldEntryBytes));
    isExtended = block[504] !== 0;
    if (parts.length > maxNumbers) break;
  }
  return checked(numeric(header, 483, 495), parts, storedBytes);
}

function addOldEntries(parts: number[], entries: Buffer): void {
  for (let start = 0; start < entries.length; start += oldEntryBytes) {
    const end = start + oldEntryBytes;
    // The first unused entry ends the list.
    if (entries.subarray(start, end).every((byte) => byte === 0)) return;
    parts.push(numeric(entries, start, start + 12), numeric(entries, start + 12, end));
  }
}

/** Whether PAX records say that a member is sparse. */
export function isSparse(pax: PaxRecords): boolean {
  return pax.some(([key]) => key.startsWith("GNU.sparse."));
}

/**
 * A map that stands in PAX records (versions 0.0 and 0.1) or before the content (1.0), and the
 * number of stored bytes that are content.
 */
export async function paxMap(
  pax: PaxRecords,
  source: ByteSource,
  storedBytes: number,
): Promise<{ readonly map: SparseMap; readonly contentBytes: number }> {
  const recordOf = (name: string) => pax.findLast(([key]) => key === `GNU.sparse.${name}`)?.[1].toString("latin1");
  const [major = "0", minor = "0"] = [recordOf("major"), recordOf("minor")];
  const size = decimal(recordOf("realsize") ?? recordOf("size") ?? "");
  if (major === "1" && minor === "0") {
    const { parts, mapBytes } = await leadingMap(source, storedBytes);
    const contentBytes = storedBytes - mapBytes;
    return { map: checked(size, parts, contentBytes), contentBytes };
  }
  if (major !== "0") {
    return {
      map: { size: 0, parts: [], problem: "its map of holes is of an unknown version" },
      contentBytes: storedBytes,
    };
  }
  const numbers = recordOf("map")?.split(",") ?? pairs(pax);
  const blocks = recordOf("numblocks");
  const isCounted = blocks === undefined || 2 * decimal(blocks) === numbers.length;
  const map = checked(size, isCounted ? numbers.map(decimal) : [Number.NaN], storedBytes);
  return { map, contentBytes: storedBytes };
}

/** Version 0.0 has one record for each number. */
function pairs(pax: PaxRecords): readonly string[] {
  return pax
    .filter(([key]) => key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes")
    .map(([key, value], index) => {
      const isInTurn = (key === "GNU.sparse.offset") === (index % 2 === 0);
      return isInTurn ? value.toString("latin1") : "";
    });
}

/** A map of lines, the first of which counts the parts, in whole blocks. */
async function leadingMap(
  source: ByteSource,
  storedBytes: number,
): Promise<{ readonly parts: readonly number[]; readonly mapBytes: number }> {
  const numbers: number[] = [];
  let [wanted, line, mapBytes] = [1, "", 0];
  while (numbers.length < wanted && mapBytes + tarBlockBytes <= storedBytes) {
    const block = await source.exactly(tarBlockBytes);
    mapBytes += tarBlockBytes;
    const lines = (line + block.toString("latin1")).split("\n");
    // Numbers are short: a line that never ends is none.
    line = lines.pop()?.slice(0, 32) ?? "";
    for (const text of lines) {
      if (numbers.length < wanted) numbers.push(decimal(text));
      wanted = 1 + 2 * (numbers[0] ?? 0);
    }
    if (!(wanted <= maxNumbers)) break;
  }
  const isWhole = numbers.length > 0 && numbers.length === wanted;
  return { parts: isWhole ? numbers.slice(1) : [Number.NaN], mapBytes };
}

function decimal(text: string): number {
  return /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
}

function checked(size: number, parts: readonly number[], storedBytes: number): SparseMap {
  const problem = problemOf(size, parts, storedBytes);
  const isSize = Number.isSafeInteger(size) && size >= 0;
  return { size: isSize ? size : 0, parts, ...(problem === undefined ? {} : { problem }) };
}

function problemOf(size: number, parts: readonly number[], storedBytes: number): string | undefined {
  if (!(Number.isSafeInteger(size) && size >= 0)) return "it is a sparse file of no known size";
  if (parts.length > maxNumbers) return "its map of holes has more than a million parts";
  if (parts.length % 2 !== 0 || !parts.every((number) => Number.isSafeInteger(number) && number >= 0)) {
    return "its map of holes is damaged";
  }
  let [end, total] = [0, 0];
  for (let index = 0; index < parts.length; index += 2) {
    const [offset = 0, length = 0] = parts.slice(index, index + 2);
    if (offset < end) return "the parts in its map of holes overlap or are out of order";
    end = offset + length;
    total += length;
    if (end > size) return "its map of holes reaches beyond its end";
  }
  return total === storedBytes ? undefined : "its map of holes does not fit its content";
}

/** Puts the holes between the stored parts. */
export async function* withHoles({ size, parts }: SparseMap, source: ByteSource): AsyncGenerator<ContentPiece> {
  let position = 0;
  for (let index = 0; index < parts.length; index += 2) {
    const [offset = 0, length = 0] = parts.slice(index, index + 2);
    if (length === 0) continue;
    if (offset > position) yield { hole: offset - position };
    for await (const data of source.pieces(length)) yield { data };
    position = offset + length;
  }
  if (size > position) yield { hole: size - position };
}
