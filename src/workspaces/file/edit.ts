import { isUtf8 } from "node:buffer";
import { PyroError } from "../../core/errors.ts";
import type { GuestEntry, GuestItem } from "../../guest/tree/messages.ts";
import { displayPath } from "../../tree/name.ts";
import { type Replacement, replaceText } from "../../tree/patch/replace.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { readTree, writeTree } from "./caller.ts";
import { displayed } from "./entry.ts";
import { contentOf, isLink, maxWriteBytes, noSuchFile, notText, pieces, requireRegularFile } from "./files.ts";
import { pathBelowWorkspace } from "./guest-path.ts";
import type { EditedFile } from "./results.ts";

/**
 * Replaces a text in a file by another. The file keeps its mode. If it changes between the read and
 * the write, nothing is written.
 */
export async function editFile(call: WorkspaceCall, typed: string, wanted: Replacement): Promise<EditedFile> {
  const path = pathBelowWorkspace(typed);
  const { entry, content } = await readWhole(call, path);
  const { text, lines, adjusted } = replaceText(displayed(path), content, wanted);
  const data = Buffer.from(text, "utf8");
  if (data.length > maxWriteBytes) throw tooLarge(path);
  const expect =
    entry.sha256 === undefined ? { type: "file" as const } : { type: "file" as const, sha256: entry.sha256 };
  const items = (async function* (): AsyncGenerator<GuestItem> {
    yield { entry: { path, type: "file", size: data.length, expect }, content: () => pieces(data) };
  })();
  const edit = { kind: "file_write", path: displayed(path) } as const;
  const { bytesWritten } = await writeTree(call, edit, { makeParents: false, removeEmptyParents: false }, items);
  return {
    path: displayed(path),
    replacedCount: lines.length,
    lines: [...lines],
    adjusted: [...adjusted],
    bytesWritten,
  };
}

async function readWhole(call: WorkspaceCall, path: Buffer): Promise<{ entry: GuestEntry; content: string }> {
  const request = { paths: [path], depth: 0, contentLimit: maxWriteBytes, digest: true, follow: false };
  for await (const item of readTree(call, request)) {
    const { entry } = item;
    if (entry.type === "symlink") throw isLink(path, displayPath(entry.target ?? Buffer.alloc(0)));
    requireRegularFile(entry, path);
    if ((entry.size ?? 0) > maxWriteBytes) throw tooLarge(path);
    const bytes = await contentOf(item, maxWriteBytes);
    if (!isUtf8(bytes)) throw notText(path);
    return { entry, content: bytes.toString("utf8") };
  }
  throw noSuchFile(path);
}

function tooLarge(path: Buffer): PyroError {
  return new PyroError(
    "failed_precondition",
    `cannot edit '${displayed(path)}': it has more than ${maxWriteBytes} bytes`,
    {
      hint: "Edit it with a command in the workspace.",
    },
  );
}
