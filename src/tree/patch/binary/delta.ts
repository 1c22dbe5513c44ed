/**
 * Makes the content that one of git's deltas describes, by copies from `base` and new bytes; null
 * if it is not one for this base. The format is in git's Documentation/gitformat-pack.adoc, under
 * "Deltified representation".
 */
export function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer | null {
  const reader = { bytes: delta, at: 0 };
  const [baseSize, size] = [readSize(reader), readSize(reader)];
  if (baseSize !== base.length || size > maxBytes) return null;
  const result = Buffer.alloc(size);
  let filled = 0;
  while (reader.at < delta.length) {
    const piece = readPiece(reader, base);
    if (!piece || filled + piece.length > size) return null;
    piece.copy(result, filled);
    filled += piece.length;
  }
  return filled === size ? result : null;
}

interface DeltaReader {
  readonly bytes: Buffer;
  at: number;
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function readSize(reader: DeltaReader): number {
  let [size, factor] = [0, 1];
  for (;;) {
    const byte = reader.bytes[reader.at++] ?? 0;
    size += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80 || reader.at >= reader.bytes.length) return size;
  }
}

function readPiece(reader: DeltaReader, base: Buffer): Buffer | null {
  const command = reader.bytes[reader.at++] ?? 0;
  if (command >= 0x80) {
    const offset = readFlagged(reader, command & 0x0f, 4);
    const length = readFlagged(reader, (command >> 4) & 0x07, 3) || 0x10000;
    return offset + length > base.length ? null : base.subarray(offset, offset + length);
  }
  // A command of 0 is reserved.
  const end = reader.at + command;
  if (command === 0 || end > reader.bytes.length) return null;
  const piece = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return piece;
}

/** A number of which only those bytes are there that a flag names, the lowest first. */
function readFlagged(reader: DeltaReader, flags: number, count: number): number {
  let value = 0;
  for (let index = 0; index < count; index++) {
    if (flags & (1 << index)) value += (reader.bytes[reader.at++] ?? 0) * 256 ** index;
  }
  return value;
}
