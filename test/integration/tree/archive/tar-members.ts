import { gzipSync } from "node:zlib";

/** A member of a tar archive as the tests write it, whether or not a program would. */
export interface Member {
  readonly name: string | Buffer;
  /**
   * As in the header: 0 file, 1 hard link, 2 symbolic link, 3 device, 5 directory, 6 pipe, S
   * sparse, x PAX
   */
  readonly kind?: string;
  readonly target?: string;
  readonly content?: string;
  readonly mode?: number;
  /** What the header says, when not the content's length */
  readonly size?: number;
  /** PAX records that come before it */
  readonly pax?: Readonly<Record<string, string>> | readonly (readonly [key: string, value: string])[];
  /** Bytes that the header has besides, by their offset; the format is then GNU's */
  readonly gnu?: Readonly<Record<number, string>>;
}

const blockBytes = 512;

export function tarOf(members: readonly Member[], hasEnd = true): Buffer {
  return Buffer.concat([...members.flatMap(blocksOf), Buffer.alloc(hasEnd ? 2 * blockBytes : 0)]);
}

export function tarGzOf(members: readonly Member[]): Buffer {
  return gzipSync(tarOf(members));
}

function blocksOf(member: Member): Buffer[] {
  const { pax, content = "" } = member;
  const records = (isList(pax) ? pax : Object.entries(pax ?? {})).map(([key, value]) => paxRecord(key, value));
  const before = pax ? blocksOf({ name: "PaxHeader", kind: "x", content: records.join("") }) : [];
  const body = Buffer.from(content);
  return [...before, headerOf(member, body.length), body, Buffer.alloc(-body.length & (blockBytes - 1))];
}

function isList(pax: Member["pax"]): pax is readonly (readonly [string, string])[] {
  return Array.isArray(pax);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const length = Buffer.byteLength(rest);
  const withDigits = length + String(length + 2).length;
  return `${withDigits}${rest}`;
}

function headerOf({ name, kind = "0", target = "", mode = 0o644, size, gnu }: Member, length: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write(`${mode.toString(8).padStart(7, "0")}\0${"0".repeat(7)}\0${"0".repeat(7)}\0`, 100);
  header.write(`${(size ?? length).toString(8).padStart(11, "0")}\0${(1700000000).toString(8)}\0${" ".repeat(8)}`, 124);
  header.write(`${kind}${target}`, 156);
  header.write(gnu ? "ustar  \0" : "ustar\0" + "00", 257);
  for (const [offset, text] of Object.entries(gnu ?? {})) header.write(text, Number(offset));
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}
