import { PyroError } from "../../../core/errors.ts";
import type { BinaryChange } from "../parse/binary-change.ts";
import { applyDelta } from "./delta.ts";
import { blobId } from "./write.ts";

/** Limit of a content that a small delta can describe */
const maxContentBytes = 16 * 1024 * 1024;

/** Makes the new content of a file, `path` in messages. Old and new must be what git's ids say. */
export function applyBinary(path: string, old: Buffer, { method, data, ids }: BinaryChange): Buffer {
  const algorithm = ids.new.length === 64 ? "sha256" : "sha1";
  const isMissing = /^0+$/.test(ids.old);
  const oldId = isMissing && old.length === 0 ? ids.old : blobId(old, algorithm);
  if (oldId !== ids.old) {
    const isApplied = oldId === ids.new;
    const reason = isApplied ? "it is already applied" : "the file is not the one that the patch was made from";
    throw refused(path, reason, isApplied ? undefined : "Make the patch anew, or write the file itself");
  }
  const content = method === "literal" ? data : applyDelta(old, data, maxContentBytes);
  // Git gives a deleted file an id of zeros, and no content.
  const isDeleted = /^0+$/.test(ids.new) && content?.length === 0;
  if (content && (isDeleted || blobId(content, algorithm) === ids.new)) return content;
  throw refused(path, "its bytes are damaged: they do not make the file that its 'index' line says");
}

function refused(path: string, reason: string, hint?: string): PyroError {
  return new PyroError("failed_precondition", `cannot apply patch to '${path}': ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { path },
  });
}
