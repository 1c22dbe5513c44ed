import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { throwIfCancelled } from "../../core/deadline.ts";
import { messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { type ContentPiece, noContent, type TreeItem } from "../entry.ts";
import { printablePath } from "../name.ts";
import type { ScannedEntry, TreeScan } from "./tree-scan.ts";

const pieceBytes = 1 << 20;
/** Length of zeros that becomes a hole, in `bytes` */
const holeBytes = 64 * 1024;
const zeros = Buffer.alloc(holeBytes);

/** The entries of a scan with their content. Fails if a file has changed since the scan. */
export async function* directorySource(scan: TreeScan, signal?: AbortSignal): AsyncGenerator<TreeItem> {
  for (const entry of scan.entries) {
    throwIfCancelled(signal);
    yield { ...entry, content: () => (entry.type === "file" ? readContent(scan.root, entry, signal) : noContent()) };
  }
}

async function* readContent(root: string, entry: ScannedEntry, signal?: AbortSignal): AsyncGenerator<ContentPiece> {
  await using file = await openScanned(root, entry);
  await requireSame(file, entry);
  for (let position = 0; position < entry.size; ) {
    throwIfCancelled(signal);
    const length = Math.min(pieceBytes, entry.size - position);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
    if (bytesRead === 0) throw changed(entry);
    const data = buffer.subarray(0, bytesRead);
    if (entry.isSparse) yield* withHoles(data);
    else yield { data };
    position += bytesRead;
  }
  await requireSame(file, entry);
}

async function openScanned(root: string, entry: ScannedEntry): Promise<FileHandle> {
  const path = Buffer.concat([Buffer.from(`${root}/`), entry.path]);
  try {
    // If a named pipe has replaced it, the open must not wait for the pipe's other end.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"].includes(systemErrorCode(error) ?? "")) throw changed(entry, error);
    const name = printablePath(entry.path);
    throw new PyroError("failed_precondition", `cannot read file '${name}': ${messageOf(error)}`, {
      hint: "Make the file readable, or remove it.",
      cause: error,
    });
  }
}

async function requireSame(file: FileHandle, entry: ScannedEntry): Promise<void> {
  const { ino, size, mtimeNs } = await file.stat({ bigint: true });
  const isSame = ino.toString() === entry.inode && Number(size) === entry.size && mtimeNs === entry.mtimeNs;
  if (!isSame) throw changed(entry);
}

function changed(entry: ScannedEntry, cause?: unknown): PyroError {
  const name = printablePath(entry.path);
  return new PyroError("failed_precondition", `cannot read file '${name}': it was changed while it was read`, {
    hint: "Try again when nothing writes to the directory.",
    cause,
  });
}

/** Node cannot ask for holes, so long runs of zeros become holes. */
function* withHoles(data: Buffer): Generator<ContentPiece> {
  let dataStart = 0;
  for (let start = 0; start < data.length; start += holeBytes) {
    const block = data.subarray(start, start + holeBytes);
    if (block.length < holeBytes || !block.equals(zeros)) continue;
    if (start > dataStart) yield { data: data.subarray(dataStart, start) };
    yield { hole: holeBytes };
    dataStart = start + holeBytes;
  }
  if (data.length > dataStart) yield { data: data.subarray(dataStart) };
}
