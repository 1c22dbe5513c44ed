import { isUtf8 } from "node:buffer";
import { PyroError } from "../../core/errors.ts";
import { hint, named, toRun } from "../../core/hint.ts";
import { characterBoundary, pageEnd } from "../../core/utf8.ts";
import type { GuestEntry, GuestItem } from "../../guest/tree/messages.ts";
import { displayPath } from "../../tree/name.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { withProgress } from "../control/progress.ts";
import { findSecrets, hasSecrets, refuseMarker, withoutSecrets } from "../secret/caller.ts";
import { type Range, withoutRanges } from "../secret/matcher.ts";
import { readTree, writeTree } from "./caller.ts";
import { displayed, shownMode } from "./entry.ts";
import { pathBelowWorkspace, pathInWorkspace } from "./guest-path.ts";
import type { FileContent, FileEntry, FileListing, WrittenFile } from "./results.ts";

/** More than this at once is a matter for export or sync */
export const maxReadBytes = 16 * 1024 * 1024;
export const maxWriteBytes = 16 * 1024 * 1024;
/** A longer listing is no use to a reader */
const maxListedEntries = 50_000;

/** Lists a directory, or everything below it. A file lists itself. */
export async function listFiles(call: WorkspaceCall, typed: string, recursive: boolean): Promise<FileListing> {
  const path = pathInWorkspace(typed);
  const request = { paths: [path], depth: recursive ? -1 : 1, contentLimit: 0, digest: false, follow: false };
  const entries: FileEntry[] = [];
  let truncated = false;
  for await (const { entry } of withProgress(readTree(call, request), "list", call.onProgress)) {
    if (entry.type === "missing") throw noSuchFile(path);
    if (entry.type === "directory" && entry.path.equals(path)) continue;
    truncated = entries.length >= maxListedEntries;
    if (truncated) break;
    entries.push(describe(entry));
  }
  return { path: displayed(path), ...(await withoutSecretsInNames(call, entries)), truncated };
}

/** The same entries without values in their names, and how many places had one. */
async function withoutSecretsInNames(
  call: WorkspaceCall,
  entries: readonly FileEntry[],
): Promise<Pick<FileListing, "entries" | "redactedCount">> {
  const names = entries.flatMap(({ path, linkTarget }) => [path, linkTarget ?? ""]);
  const { texts, count: redactedCount } = await withoutSecrets(call, names);
  const redacted = entries.map((entry, index) => ({
    ...entry,
    path: texts[2 * index] ?? "",
    linkTarget: entry.linkTarget && (texts[2 * index + 1] ?? ""),
  }));
  return { entries: redacted, redactedCount };
}

/** The part of a file to read, in whole characters. */
export interface FilePage {
  readonly offset: number;
  readonly maxBytes: number;
}

const maxCharacterBytes = 4;

/** Reads a part of a text file. */
export async function readFile(
  call: WorkspaceCall,
  typed: string,
  { offset, maxBytes }: FilePage,
): Promise<FileContent> {
  const path = pathBelowWorkspace(typed);
  // A few more bytes on both sides tell whether a character or a secret lies across an edge, and
  // whether there is more.
  const reachBytes = await secretReach(call);
  const marginBytes = maxCharacterBytes + reachBytes;
  const contentOffset = Math.max(0, offset - marginBytes);
  const contentLimit = offset - contentOffset + maxBytes + marginBytes;
  const request = { paths: [path], depth: 0, contentLimit, contentOffset, digest: false, follow: true };
  for await (const item of readTree(call, request)) {
    if (item.entry.type === "missing") break;
    requireRegularFile(item.entry, path);
    const bytes = await contentOf(item, contentLimit);
    const start = Math.min(bytes.length, characterBoundary(bytes, offset - contentOffset));
    const secrets = await secretsIn(call, bytes, reachBytes);
    const { end, ...page } = pageOf(bytes, { start, end: pageEnd(bytes, start, maxBytes) }, secrets);
    const text = bytes.subarray(start, end);
    if (text.includes(0) || !isUtf8(text)) throw notText(path);
    return {
      path: displayed(path),
      sizeBytes: Math.max(item.entry.size ?? 0, bytes.length === 0 ? 0 : contentOffset + bytes.length),
      offset: text.length === 0 ? offset : contentOffset + start,
      ...page,
      nextOffset: end < bytes.length ? contentOffset + end : null,
    };
  }
  // A link that leads out of the workspace, or nowhere, exists although it cannot be followed.
  for await (const { entry } of readTree(call, { ...request, contentLimit: 0, follow: false })) {
    requireRegularFile(entry, path);
  }
  throw noSuchFile(path);
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

/** How many bytes around a part of a file tell whether a secret lies across its edges, if any. */
async function secretReach(call: WorkspaceCall): Promise<number> {
  return (await hasSecrets(call)) ? (await findSecrets(call, [])).reachBytes : 0;
}

async function secretsIn(call: WorkspaceCall, bytes: Buffer, reachBytes: number): Promise<readonly Range[]> {
  if (reachBytes === 0) return [];
  const { ranges } = await findSecrets(call, [bytes]);
  return ranges.flat();
}

/** Writes a text file, new or in place of an old one, with the directories that it needs. */
export async function writeFile(call: WorkspaceCall, typed: string, text: string): Promise<WrittenFile> {
  const path = pathBelowWorkspace(typed);
  await refuseMarker(call, `write '${displayed(path)}'`, [text]);
  const data = Buffer.from(text, "utf8");
  if (data.length > maxWriteBytes) {
    throw new PyroError(
      "invalid_argument",
      `cannot write ${data.length} bytes to '${displayed(path)}': ${maxWriteBytes} are the most`,
      {
        hint: hint`Use ${named("workspace.sync.push")} for large files.`,
      },
    );
  }
  const entry = { path, type: "file", size: data.length, expect: { type: "not_symlink" } } as const;
  const items = (async function* (): AsyncGenerator<GuestItem> {
    yield { entry, content: () => pieces(data) };
  })();
  const edit = { kind: "file_write", path: displayed(path) } as const;
  const header = { makeParents: true, removeEmptyParents: false };
  const { bytesWritten } = await writeTree(call, edit, header, items).catch((error: unknown) => {
    throw error instanceof PyroError ? asLinkRefusal(path, error) : error;
  });
  return { path: displayed(path), bytesWritten };
}

/** A link is refused, because a write would replace it and not what it leads to. */
function asLinkRefusal(path: Buffer, error: PyroError): PyroError {
  const linkTarget = error.details?.["linkTarget"];
  return typeof linkTarget === "string" ? refusedLink(path, linkTarget) : error;
}

export function refusedLink(path: Buffer, target: string): PyroError {
  const reason = `cannot write '${displayed(path)}': it is a symbolic link to '${target}'`;
  return new PyroError("failed_precondition", reason, { hint: "Write to what it leads to, or remove the link first." });
}

export async function* pieces(data: Buffer): AsyncGenerator<{ data: Buffer }> {
  if (data.length > 0) yield { data };
}

export function noSuchFile(path: Buffer): PyroError {
  return new PyroError("not_found", `there is no '${displayed(path)}' in the workspace`, {
    hint: hint`${toRun("workspace.file.list")}.`,
  });
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

function describe({ path, type, size, mode, target }: GuestEntry): FileEntry {
  const isFile = type === "file" || type === "hard_link";
  return {
    path: displayed(path),
    artifactType: isFile ? "file" : type === "directory" || type === "symlink" ? type : "other",
    sizeBytes: isFile ? (size ?? 0) : null,
    mode: shownMode(mode ?? 0),
    linkTarget: type === "symlink" && target ? displayPath(target) : null,
  };
}

export function requireRegularFile({ type }: GuestEntry, path: Buffer): void {
  if (type === "file") return;
  if (type === "missing") throw noSuchFile(path);
  const what =
    type === "directory"
      ? "a directory"
      : type === "symlink"
        ? "a link that leads out of the workspace or nowhere"
        : "no regular file";
  throw new PyroError("failed_precondition", `cannot read '${displayed(path)}': it is ${what}`, {
    hint:
      type === "directory" ? hint`${toRun("workspace.file.list")}.` : hint`Look at it with ${named("workspace.exec")}.`,
  });
}

export function notText(path: Buffer): PyroError {
  return new PyroError("failed_precondition", `cannot read '${displayed(path)}': it is not UTF-8 text`, {
    hint: "Look at it in the workspace with iconv or xxd, or export it.",
  });
}
