export interface ReadEntry {
  readonly path: string;
  readonly mode: number;
  readonly links: number;
  readonly major: number;
  readonly minor: number;
  /** Byte for byte, as latin1 */
  readonly content: string;
}

/**
 * Reads newc archives that follow one another, as Linux does: by the format's description, not by
 * our writer.
 */
export function readCpio(bytes: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let position = 0;
  const align = () => {
    position = Math.ceil(position / 4) * 4;
  };
  while (position < bytes.length) {
    const magic = bytes.toString("latin1", position, position + 6);
    if (magic !== "070701") throw new Error(`no header at ${position}`);
    const start = position + 6;
    const field = (index: number) =>
      Number.parseInt(bytes.toString("latin1", start + index * 8, start + index * 8 + 8), 16);
    const [sizeBytes, nameLength] = [field(6), field(11)];
    const nameStart = start + 13 * 8;
    const path = bytes.toString("utf8", nameStart, nameStart + nameLength - 1);
    position = nameStart + nameLength;
    align();
    const content = bytes.toString("latin1", position, position + sizeBytes);
    position += sizeBytes;
    align();
    if (path === "TRAILER!!!") continue;
    entries.push({ path, mode: field(1), links: field(4), major: field(9), minor: field(10), content });
  }
  return entries;
}
