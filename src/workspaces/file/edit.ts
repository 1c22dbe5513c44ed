import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { PyroError } from "../../core/errors.ts";
import type { GuestItem } from "../../guest/tree/messages.ts";
import { displayPath } from "../../tree/name.ts";
import { type Replacement, replaceText } from "../../tree/patch/replace.ts";
import type { WorkspaceCall } from "../control/access.ts";
import { refuseMarker, withoutSecretsInErrors } from "../secret/caller.ts";
import { readTree, writeTree } from "./caller.ts";
import { displayed } from "./entry.ts";
import { maxWriteBytes, noSuchFile, notText, pieces, refusedLink, requireRegularFile } from "./files.ts";
import { pathBelowWorkspace } from "./guest-path.ts";
import { contentOf } from "./reading/tree-files.ts";
import type { EditedFile } from "./results.ts";

/**
 * Replaces a text in a file by another. The file keeps its mode. If it changes between the read and
 * the write, nothing is written.
 */
export async function editFile(call: WorkspaceCall, typed: string, wanted: Replacement): Promise<EditedFile> {
  const path = pathBelowWorkspace(typed);
  await refuseMarker(call, `edit '${displayed(path)}'`, [wanted.oldText, wanted.newText]);
  const bytes = await readWhole(call, path);
  const content = bytes.toString("utf8");
  // What does not fit is quoted.
  const { text, lines, adjusted } = await withoutSecretsInErrors(call, async () =>
    replaceText(displayed(path), content, wanted),
  );
  const data = Buffer.from(text, "utf8");
  if (data.length > maxWriteBytes) throw tooLarge(path);
  const expect = { type: "file", sha256: createHash("sha256").update(bytes).digest("hex") } as const;
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

async function readWhole(call: WorkspaceCall, path: Buffer): Promise<Buffer> {
  const request = { paths: [path], depth: 0, contentLimit: maxWriteBytes, digest: false, follow: false };
  for await (const item of readTree(call, request)) {
    const { entry } = item;
    if (entry.type === "symlink") throw refusedLink(path, displayPath(entry.target ?? Buffer.alloc(0)));
    requireRegularFile(entry, path);
    if ((entry.size ?? 0) > maxWriteBytes) throw tooLarge(path);
    const bytes = await contentOf(item, maxWriteBytes);
    if (!isUtf8(bytes)) throw notText(path);
    return bytes;
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
