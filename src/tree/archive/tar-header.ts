export const tarBlockBytes = 512;

const [checksumStart, checksumEnd] = [148, 156];

/** What one header block says. */
export interface TarBlock {
  readonly name: Buffer;
  readonly target: Buffer;
  /** One character, `0` for a file in the oldest archives too */
  readonly type: string;
  readonly mode: number;
  /** Stored bytes that follow it */
  readonly size: number;
  readonly mtimeSeconds: number;
  /** Whether GNU tar wrote it in its own format */
  readonly isGnu: boolean;
}

/** Records of a PAX header by their keys, in their order. */
export type PaxRecords = readonly (readonly [key: string, value: Buffer])[];

/** A header contains the sum of its bytes. An empty archive begins with its end, which is zero. */
export function isTarHeader(block: Buffer): boolean {
  return isZero(block) || octal(block, checksumStart, checksumEnd) === checksum(block);
}

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** Fails for a block that is no header. */
export function decodeBlock(block: Buffer): TarBlock {
  const size = numeric(block, 124, 136);
  if (octal(block, checksumStart, checksumEnd) !== checksum(block) || !(size >= 0)) {
    throw new Error("invalid tar header");
  }
  const magic = block.toString("latin1", 257, 265);
  const prefix = magic.startsWith("ustar\0") ? text(block, 345, 500) : Buffer.alloc(0);
  const name = text(block, 0, 100);
  return {
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]),
    target: text(block, 157, 257),
    type: block[156] === 0 ? "0" : block.toString("latin1", 156, 157),
    mode: numeric(block, 100, 108) & 0o7777,
    size,
    mtimeSeconds: numeric(block, 136, 148),
    isGnu: magic === "ustar  \0",
  };
}

/** Text of a long name's own member, which ends with a zero byte. */
export function longName(content: Buffer): Buffer {
  return text(content, 0, content.length);
}

export function decodePax(content: Buffer): PaxRecords {
  const records: [string, Buffer][] = [];
  for (let start = 0; start < content.length; ) {
    // Some programs fill the rest with zeros.
    if (content[start] === 0 && isZero(content.subarray(start))) break;
    const space = content.indexOf(0x20, start);
    const digits = content.toString("latin1", start, Math.min(space, start + 10));
    const end = start + Number(digits);
    const equals = content.indexOf(0x3d, space);
    const isWhole = /^\d+$/.test(digits) && space > start && equals > space && equals < end && end <= content.length;
    if (!isWhole || content[end - 1] !== 0x0a) throw new Error("invalid PAX header");
    records.push([content.toString("utf8", space + 1, equals), content.subarray(equals + 1, end - 1)]);
    start = end;
  }
  return records;
}

/**
 * A number of a header: octal digits or, if the first bit is set, binary. NaN for anything else.
 */
export function numeric(block: Buffer, start: number, end: number): number {
  const first = block[start] ?? 0;
  if (first < 0x80) return octal(block, start, end);
  if (first !== 0x80 && first !== 0xff) return Number.NaN;
  // Two's complement; what is too large for a double is too large for a file.
  let value = first === 0xff ? -1 : 0;
  for (let index = start + 1; index < end; index += 1) value = value * 256 + (block[index] ?? 0);
  return value;
}

function octal(block: Buffer, start: number, end: number): number {
  const digits = /^ *\0*([0-7]*)(?:[ \0]|$)/.exec(block.toString("latin1", start, end))?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(`0${digits}`, 8);
}

function checksum(block: Buffer): number {
  return block.reduce((sum, byte, index) => sum + (index >= checksumStart && index < checksumEnd ? 0x20 : byte), 0);
}

function text(block: Buffer, start: number, end: number): Buffer {
  const field = block.subarray(start, end);
  const zero = field.indexOf(0);
  return zero === -1 ? field : field.subarray(0, zero);
}
