import { crc32, deflateRawSync } from "node:zlib";

/** A member of a zip archive as the tests write it, whether or not a program would. */
export interface ZipMember {
  readonly name: string | Buffer;
  readonly content?: string;
  /** Mode of Unix, with its type; otherwise DOS made the archive */
  readonly unixMode?: number;
  readonly dosAttributes?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly extra?: Buffer;
  /** What the directory says, when not what is so */
  readonly size?: number;
  readonly crc?: number;
  readonly offset?: number;
}

const dosTime = { time: 0x6000, date: ((2023 - 1980) << 9) | (11 << 5) | 14 };

export function zipOf(members: readonly ZipMember[], comment = ""): Buffer {
  const parts: Buffer[] = [];
  const records: Buffer[] = [];
  let position = 0;
  for (const member of members) {
    const content = Buffer.from(member.content ?? "");
    const packed = member.method === 8 ? deflateRawSync(content) : content;
    const local = localHeader(member, content, packed.length);
    records.push(directoryRecord(member, content, packed.length, position));
    parts.push(local, packed);
    position += local.length + packed.length;
  }
  const directory = Buffer.concat(records);
  return Buffer.concat([...parts, directory, endRecord(members.length, directory.length, position, comment)]);
}

function localHeader(member: ZipMember, content: Buffer, packedBytes: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(0x04034b50);
  const lengths = Buffer.alloc(4);
  lengths.writeUInt16LE(Buffer.from(member.name).length, 0);
  return Buffer.concat([header, commonFields(member, content, packedBytes), lengths, Buffer.from(member.name)]);
}

function directoryRecord(member: ZipMember, content: Buffer, packedBytes: number, position: number): Buffer {
  const { unixMode, dosAttributes = 0, extra = Buffer.alloc(0) } = member;
  const header = Buffer.alloc(6);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(((unixMode === undefined ? 0 : 3) << 8) | 30, 4);
  const rest = Buffer.alloc(18);
  rest.writeUInt16LE(Buffer.from(member.name).length, 0);
  rest.writeUInt16LE(extra.length, 2);
  rest.writeUInt32LE((((unixMode ?? 0) << 16) | dosAttributes) >>> 0, 10);
  rest.writeUInt32LE(member.offset ?? position, 14);
  return Buffer.concat([header, commonFields(member, content, packedBytes), rest, Buffer.from(member.name), extra]);
}

/** From the version to the lengths of the content, the same in both kinds of headers */
function commonFields({ flags = 0, method = 0, size, crc }: ZipMember, content: Buffer, packedBytes: number): Buffer {
  const fields = Buffer.alloc(22);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(flags, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt16LE(dosTime.time, 6);
  fields.writeUInt16LE(dosTime.date, 8);
  fields.writeUInt32LE(crc ?? crc32(content), 10);
  fields.writeUInt32LE(packedBytes, 14);
  fields.writeUInt32LE(size ?? content.length, 18);
  return fields;
}

function endRecord(count: number, directoryBytes: number, position: number, comment: string): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(position, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([end, Buffer.from(comment)]);
}
