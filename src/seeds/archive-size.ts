import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { PyroError } from "../core/errors.ts";
import { archiveNames } from "../tree/archive/format.ts";
import { seedLimits } from "../tree/entry.ts";

/** Limit for what an archive has beside its content: headers and padding */
const overheadBytes = 4 * 1024 ** 3;
/** Length of zeros that ends an archive, in `bytes` */
const endBytes = 1024;
/** Limit for an archive without members, which tars fill up to whole records */
const emptyBytes = 1024 ** 2;

/**
 * Refuses a file whose size alone shows that it is no archive for a workspace. A sparse file of a
 * terabyte would take hours to read.
 */
export async function requirePlausibleArchive(path: string, sizeBytes: number): Promise<void> {
  const maxBytes = seedLimits.maxBytes + overheadBytes;
  if (sizeBytes > maxBytes) {
    const limit = `it is larger than ${maxBytes / 1024 ** 3} GiB, which is the limit`;
    throw new PyroError("resource_exhausted", `cannot read archive '${path}': ${limit}`, {
      hint: "Choose a smaller archive.",
    });
  }
  if (sizeBytes <= emptyBytes || !(await beginsWithEnd(path))) return;
  throw new PyroError("invalid_argument", `cannot read archive '${path}': it begins with zeros, like no archive`, {
    hint: `Give a ${archiveNames} file, or a directory.`,
  });
}

async function beginsWithEnd(path: string): Promise<boolean> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(endBytes), 0, endBytes, 0);
    return bytesRead === endBytes && buffer.every((byte) => byte === 0);
  } catch {
    // The archive's own reader says why it cannot be read.
    return false;
  }
}
