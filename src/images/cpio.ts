/**
 * An entry of a cpio archive. It belongs to root and has no modification time, so equal input gives
 * equal bytes.
 */
export type CpioEntry =
  | { readonly type: "directory"; readonly path: string; readonly mode: number }
  | { readonly type: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | {
      readonly type: "character-device";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const typeBits = { directory: 0o040000, file: 0o100000, "character-device": 0o020000 } as const;
const alignment = 4;

/**
 * Makes an archive in the "newc" format, which Linux unpacks as an initramfs. Its length is a
 * multiple of four.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const parts: Uint8Array[] = [];
  for (const [index, entry] of sorted.entries()) {
    if (sorted[index + 1]?.path === entry.path) throw new RangeError(`two archive entries are named '${entry.path}'`);
    parts.push(...member(entry, index + 1));
  }
  parts.push(...trailer());
  return Buffer.concat(parts);
}

function member(entry: CpioEntry, inode: number): Uint8Array[] {
  const content = entry.type === "file" ? entry.content : new Uint8Array(0);
  const device = entry.type === "character-device" ? entry : { major: 0, minor: 0 };
  return [
    header({
      inode,
      mode: typeBits[entry.type] | entry.mode,
      links: entry.type === "directory" ? 2 : 1,
      sizeBytes: content.length,
      major: device.major,
      minor: device.minor,
      path: entry.path,
    }),
    content,
    padding(content.length),
  ];
}

/**
 * The entry that ends an archive. Linux starts anew after it, so archives can follow one another.
 */
function trailer(): Uint8Array[] {
  return [header({ inode: 0, mode: 0, links: 1, sizeBytes: 0, major: 0, minor: 0, path: "TRAILER!!!" })];
}

interface HeaderFields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly sizeBytes: number;
  readonly major: number;
  readonly minor: number;
  readonly path: string;
}

function header(fields: HeaderFields): Buffer {
  const name = Buffer.from(`${fields.path}\0`);
  const uid = 0;
  const gid = 0;
  const mtime = 0;
  const numbers = [
    ...[fields.inode, fields.mode, uid, gid, fields.links, mtime, fields.sizeBytes],
    ...[0, 0, fields.major, fields.minor],
    ...[name.length, 0],
  ];
  const text = `070701${numbers.map((number) => number.toString(16).toUpperCase().padStart(8, "0")).join("")}`;
  return Buffer.concat([Buffer.from(text), name, padding(text.length + name.length)]);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((alignment - (length % alignment)) % alignment);
}
