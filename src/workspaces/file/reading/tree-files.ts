import { isUtf8 } from "node:buffer";
import { PyroError } from "../../../core/errors.ts";
import { characterBoundary, pageEnd } from "../../../core/utf8.ts";
import type { GuestEntry, GuestItem } from "../../../guest/tree/messages.ts";
import { displayPath } from "../../../tree/name.ts";
import { type OnTreeProgress, withProgress } from "../../control/progress.ts";
import type { FindSecrets } from "../../secret/caller.ts";
import { type Range, withoutRanges } from "../../secret/matcher.ts";
import type { ReadRequest } from "../caller.ts";
import { shownMode } from "../entry.ts";
import type { FileContent, FileEntry, FileListing } from "../results.ts";

/** A longer listing is no use to a reader */
const maxListedEntries = 50_000;

/** A tree whose files can be listed and read, and what is said of those that cannot. */
export interface FileTree {
  read(request: ReadRequest): AsyncIterable<GuestItem>;
  readonly onProgress: OnTreeProgress;
  /** Finds the values of the workspace's secrets; undefined if it has none */
  readonly findSecrets: FindSecrets | undefined;
  shown(path: Buffer): string;
  /** `missing` is what the guest says, if it says so */
  noSuchFile(path: Buffer, missing?: GuestEntry): PyroError;
  requireRegularFile(entry: GuestEntry, path: Buffer): void;
  notText(path: Buffer): PyroError;
}

/** Lists a directory, or everything below it. A file lists itself. */
export async function listTree(tree: FileTree, path: Buffer, recursive: boolean): Promise<FileListing> {
  const request = { paths: [path], depth: recursive ? -1 : 1, contentLimit: 0, digest: false, follow: false };
  const entries: FileEntry[] = [];
  const files = new Map<string, FileEntry>();
  let truncated = false;
  for await (const { entry } of withProgress(tree.read(request), "list", tree.onProgress)) {
    if (entry.type === "missing") throw tree.noSuchFile(path, entry);
    if (entry.type === "directory" && entry.path.equals(path)) continue;
    truncated = entries.length >= maxListedEntries;
    if (truncated) break;
    const described = describe(tree, entry, files);
    entries.push(described);
    if (described.artifactType === "file") files.set(described.path, described);
  }
  return { path: tree.shown(path), ...(await withoutSecretsInNames(tree, entries)), truncated };
}

/** The same entries without values in their names, and how many places had one. */
async function withoutSecretsInNames(
  tree: FileTree,
  entries: FileEntry[],
): Promise<Pick<FileListing, "entries" | "redactedCount">> {
  if (!tree.findSecrets || entries.length === 0) return { entries, redactedCount: 0 };
  const find: FindSecrets = tree.findSecrets;
  const names = entries.flatMap(({ path, linkTarget }) => [Buffer.from(path), Buffer.from(linkTarget ?? "")]);
  const { ranges } = await find(names);
  const textAt = (index: number) => withoutRanges(names[index] ?? Buffer.alloc(0), ranges[index] ?? []).toString();
  const redacted = entries.map((entry, index) => ({
    ...entry,
    path: textAt(2 * index),
    linkTarget: entry.linkTarget === null ? null : textAt(2 * index + 1),
  }));
  return { entries: redacted, redactedCount: ranges.flat().length };
}

/** The part of a file to read, in whole characters. */
export interface FilePage {
  readonly offset: number;
  readonly maxBytes: number;
}

const maxCharacterBytes = 4;

const findNone: FindSecrets = async () => ({ reachBytes: 0, ranges: [] });

/** Reads a part of a text file. */
export async function readText(tree: FileTree, path: Buffer, { offset, maxBytes }: FilePage): Promise<FileContent> {
  // A few more bytes on both sides tell whether a character or a secret lies across an edge, and
  // whether there is more.
  const find = tree.findSecrets ?? findNone;
  const { reachBytes } = await find([]);
  const marginBytes = maxCharacterBytes + reachBytes;
  const contentOffset = Math.max(0, offset - marginBytes);
  const contentLimit = offset - contentOffset + maxBytes + marginBytes;
  const request = { paths: [path], depth: 0, contentLimit, contentOffset, digest: false, follow: true };
  for await (const item of tree.read(request)) {
    if (item.entry.type === "missing") break;
    tree.requireRegularFile(item.entry, path);
    const bytes = await contentOf(item, contentLimit);
    const start = Math.min(bytes.length, characterBoundary(bytes, offset - contentOffset));
    const [secrets = []] = (await find([bytes])).ranges;
    const { end, ...page } = pageOf(bytes, { start, end: pageEnd(bytes, start, maxBytes) }, secrets);
    const text = bytes.subarray(start, end);
    if (text.includes(0) || !isUtf8(text)) throw tree.notText(path);
    return {
      path: tree.shown(path),
      sizeBytes: Math.max(item.entry.size ?? 0, bytes.length === 0 ? 0 : contentOffset + bytes.length),
      offset: text.length === 0 ? offset : contentOffset + start,
      ...page,
      nextOffset: end < bytes.length ? contentOffset + end : null,
    };
  }
  // A link that leads out of the tree, or nowhere, exists although it cannot be followed.
  for await (const { entry } of tree.read({ ...request, contentLimit: 0, follow: false })) {
    tree.requireRegularFile(entry, path);
  }
  throw tree.noSuchFile(path);
}

/** A part of a file without the secrets that are in it. The next one begins behind the last. */
function pageOf(
  bytes: Buffer,
  wanted: Range,
  secrets: readonly Range[],
): Pick<FileContent, "content" | "redactedCount"> & Pick<Range, "end"> {
  const { start } = wanted;
  const end = Math.max(wanted.end, secrets.findLast((range) => range.start < wanted.end)?.end ?? 0);
  const inside = secrets.filter((range) => range.end > start && range.start < end);
  return { end, content: withoutRanges(bytes, inside, start, end).toString("utf8"), redactedCount: inside.length };
}

/** Reads the content of a file up to a limit. A guest that sends more lies. */
export async function contentOf({ content }: GuestItem, limitBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const piece of content()) {
    length += "hole" in piece ? piece.hole : piece.data.length;
    if (length > limitBytes) throw new PyroError("internal", "the guest sent more of a file than it was asked for");
    parts.push("hole" in piece ? Buffer.alloc(piece.hole) : piece.data);
  }
  return Buffer.concat(parts);
}

/** `files` has those that came before, by their shown paths. */
function describe(
  tree: FileTree,
  { path, type, size, mode, target }: GuestEntry,
  files: ReadonlyMap<string, FileEntry>,
): FileEntry {
  // The guest describes a file once, and its other names by the first one.
  const first = type === "hard_link" && target ? files.get(tree.shown(target)) : undefined;
  if (first) return { ...first, path: tree.shown(path) };
  const isFile = type === "file" || type === "hard_link";
  return {
    path: tree.shown(path),
    artifactType: isFile ? "file" : type === "directory" || type === "symlink" ? type : "other",
    sizeBytes: isFile ? (size ?? 0) : null,
    mode: shownMode(mode ?? 0),
    linkTarget: type === "symlink" && target ? displayPath(target) : null,
  };
}
