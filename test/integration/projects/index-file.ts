import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";

/** Writes an index with entries that git itself would refuse to make. */
export async function writeIndexFile(path: string, names: readonly string[]): Promise<void> {
  const header = Buffer.alloc(12);
  header.write("DIRC", "latin1");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(names.length, 8);
  const content = Buffer.concat([header, ...names.toSorted().map(entryOf)]);
  await writeFile(path, Buffer.concat([content, createHash("sha1").update(content).digest()]));
}

/** Times, ids and digest are zero, as before the first look at the file. */
function entryOf(name: string): Buffer {
  const bytes = Buffer.from(name);
  const entry = Buffer.alloc(Math.ceil((62 + bytes.length + 1) / 8) * 8);
  entry.writeUInt32BE(0o100644, 24);
  entry.writeUInt16BE(bytes.length, 60);
  bytes.copy(entry, 62);
  return entry;
}
