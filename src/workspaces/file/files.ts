import { PyroError } from "../../core/errors.ts";
import { hint, named, toRun } from "../../core/hint.ts";
import type { GuestEntry, GuestItem } from "../../guest/tree/messages.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { findSecrets, hasSecrets, refuseMarker } from "../secret/caller.ts";
import { readTree, writeTree } from "./caller.ts";
import { displayed } from "./entry.ts";
import { pathBelowWorkspace, pathInWorkspace } from "./guest-path.ts";
import { type FilePage, type FileTree, listTree, readText } from "./reading/tree-files.ts";
import type { FileContent, FileListing, WrittenFile } from "./results.ts";

/** More than this at once is a matter for export or sync */
export const maxReadBytes = 16 * 1024 * 1024;
export const maxWriteBytes = 16 * 1024 * 1024;
/** Lists a directory, or everything below it. A file lists itself. */
export async function listFiles(call: WorkspaceCall, typed: string, recursive: boolean): Promise<FileListing> {
  const path = pathInWorkspace(typed);
  return listTree(await filesOf(call), path, recursive);
}

/** Reads a part of a text file. */
export async function readFile(call: WorkspaceCall, typed: string, page: FilePage): Promise<FileContent> {
  const path = pathBelowWorkspace(typed);
  return readText(await filesOf(call), path, page);
}

async function filesOf(call: WorkspaceCall): Promise<FileTree> {
  return {
    read: (request) => readTree(call, request),
    onProgress: call.onProgress,
    findSecrets: (await hasSecrets(call)) ? (buffers) => findSecrets(call, buffers) : undefined,
    shown: displayed,
    noSuchFile,
    requireRegularFile,
    notText,
  };
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
