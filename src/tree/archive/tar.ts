import type { ByteSource } from "./bytes.ts";
import { type ArchiveEntry, type ArchiveMember, isText, type MemberProblem, normalized, timeNs } from "./member.ts";
import { isSparse, oldGnuMap, paxMap, type SparseMap, withHoles } from "./sparse.ts";
import {
  decodeBlock,
  decodePax,
  isZero,
  longName,
  type PaxRecords,
  type TarBlock,
  tarBlockBytes,
} from "./tar-header.ts";

/** Limit for a long name or a PAX header in `bytes`, which is held in memory */
const maxHeaderBytes = 4 * 1024 ** 2;

const types: Readonly<Record<string, ArchiveEntry["type"]>> = {
  "0": "file",
  "1": "hard_link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  // A file that lies in one piece, on systems that made a difference
  "7": "file",
  // A sparse file of GNU tar's own format
  S: "file",
};

/** What members of their own say about the next member. */
interface Ahead {
  name?: Buffer;
  target?: Buffer;
  pax?: PaxRecords;
}

/**
 * The members in order. Content that was not read is skipped. A block of zeros ends the archive, as
 * in GNU tar, which ignores what follows.
 */
export async function* tarMembers(source: ByteSource): AsyncGenerator<ArchiveMember> {
  let global: PaxRecords = [];
  let ahead: Ahead = {};
  for (;;) {
    const block = await nextBlock(source);
    if (isZero(block)) return;
    const header = decodeBlock(block);
    if (header.type === "g") global = [...new Map([...global, ...decodePax(await headerContent(header, source))])];
    else if (header.type === "x") ahead.pax = decodePax(await headerContent(header, source));
    else if (header.type === "K") ahead.target = longName(await headerContent(header, source));
    // The second is what GNU tar wrote long ago.
    else if (header.type === "L" || header.type === "N") ahead.name = longName(await headerContent(header, source));
    else {
      yield* oneMember(block, header, { ...ahead, pax: [...global, ...(ahead.pax ?? [])] }, source);
      ahead = {};
    }
  }
}

async function nextBlock(source: ByteSource): Promise<Buffer> {
  const block = await source.upTo(tarBlockBytes);
  if (block.length === 0) throw new Error("it is truncated: its end is missing");
  if (block.length < tarBlockBytes) throw new Error("it is truncated");
  return block;
}

async function headerContent({ size }: TarBlock, source: ByteSource): Promise<Buffer> {
  if (size > maxHeaderBytes) throw new Error("header exceeds max size");
  const content = await source.exactly(size);
  await source.skip(-size & (tarBlockBytes - 1));
  return content;
}

/** Yields the member and moves on to the next. */
async function* oneMember(
  block: Buffer,
  header: TarBlock,
  { name: gnuName, target: gnuTarget, pax = [] }: Ahead,
  source: ByteSource,
): AsyncGenerator<ArchiveMember> {
  const recordOf = (key: string) => pax.findLast(([other]) => other === key)?.[1];
  // An empty record takes an earlier one back.
  const textOf = (key: string) => (recordOf(key)?.length ? recordOf(key) : undefined);
  const target = textOf("linkpath") ?? gnuTarget ?? header.target;
  const name = textOf("GNU.sparse.name") ?? textOf("path") ?? gnuName ?? header.name;
  const isDirectory = header.type === "5" || (header.type === "0" && name.at(-1) === 0x2f);
  const stored = textOf("size")?.toString("latin1") ?? String(header.size);
  // A directory has no content, whatever its size.
  const storedBytes = isDirectory ? 0 : Number(/^\d+$/.test(stored) ? stored : Number.NaN);
  if (!Number.isFinite(storedBytes)) throw new Error("invalid tar header");
  const { map, contentBytes } = await sparseMap(block, header, pax, source, storedBytes);
  const padding = -storedBytes & (tarBlockBytes - 1);
  const end = source.position + contentBytes;
  const size = map?.size ?? contentBytes;
  const problem = memberProblem(header, map, [textOf("path"), textOf("linkpath"), textOf("GNU.sparse.name")]);
  const time = recordOf("mtime")?.toString("latin1");
  yield {
    name,
    entry: problem ?? tarEntry(header, { name, target, isDirectory, size, time }),
    size,
    storedBytes: contentBytes,
    content: () => (map ? withHoles(map, source) : dataOf(source, contentBytes)),
  };
  await source.skip(end - source.position + padding);
}

async function sparseMap(
  block: Buffer,
  { type, isGnu }: TarBlock,
  pax: PaxRecords,
  source: ByteSource,
  storedBytes: number,
): Promise<{ readonly map?: SparseMap; readonly contentBytes: number }> {
  if (type === "S" && isGnu) return { map: await oldGnuMap(block, source, storedBytes), contentBytes: storedBytes };
  // The last kind is a file too.
  if (isSparse(pax) && ["0", "7"].includes(type)) return paxMap(pax, source, storedBytes);
  return { contentBytes: storedBytes };
}

function memberProblem(
  { type, isGnu }: TarBlock,
  map: SparseMap | undefined,
  paxNames: readonly (Buffer | undefined)[],
): MemberProblem | undefined {
  if (!paxNames.every(isText)) {
    return { reason: "its name is not UTF-8", hint: "Create the archive again with --format=gnu." };
  }
  if (map?.problem !== undefined) return { reason: map.problem, hint: "Create the archive again without --sparse." };
  if (types[type] !== undefined && (type !== "S" || isGnu)) return undefined;
  return {
    reason: "it is of a kind that is not known, such as a part of a larger archive",
    hint: "Create the archive again without --multi-volume.",
  };
}

function tarEntry(
  { type: flag, mode, mtimeSeconds }: TarBlock,
  stated: {
    readonly name: Buffer;
    readonly target: Buffer;
    readonly isDirectory: boolean;
    readonly size: number;
    readonly time: string | undefined;
  },
): ArchiveEntry {
  const type = stated.isDirectory ? "directory" : (types[flag] ?? "file");
  const size = type === "file" ? stated.size : 0;
  const mtimeNs = modificationTime(mtimeSeconds, stated.time);
  const entry = { path: normalized(stated.name), type, mode, size, mtimeNs };
  if (type === "symlink") return { ...entry, target: stated.target };
  return type === "hard_link" ? { ...entry, target: normalized(stated.target) } : entry;
}

function modificationTime(seconds: number, pax: string | undefined): bigint {
  const [, whole, decimals = ""] = /^(-?\d{1,12})(?:\.(\d+))?$/.exec(pax ?? "") ?? [];
  return whole === undefined ? timeNs(Math.trunc(seconds)) : timeNs(Number(whole), decimals);
}

async function* dataOf(source: ByteSource, length: number): AsyncGenerator<{ data: Buffer }> {
  for await (const data of source.pieces(length)) yield { data };
}
