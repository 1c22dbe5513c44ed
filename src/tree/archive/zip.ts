import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { openPromise, type ZipFile } from "yauzl";
import { throwIfCancelled } from "../../core/deadline.ts";
import { type ArchiveMember, maxTargetBytes } from "./member.ts";
import { isLink, type ZipRecord, zipEntry, zipRecord } from "./zip-record.ts";

export interface ZipReading {
  readonly path: string;
  readonly maxEntries: number;
  readonly signal: AbortSignal | undefined;
}

/** The members in the order of the archive's directory, which says what is in it. */
export async function* zipMembers(reading: ZipReading): AsyncGenerator<ArchiveMember> {
  for (const record of await readDirectory(reading)) {
    throwIfCancelled(reading.signal);
    yield await memberOf(record, reading);
  }
}

async function memberOf(record: ZipRecord, reading: ZipReading): Promise<ArchiveMember> {
  const { size } = record;
  const content = () => contentOf(record, reading);
  // A longer target is refused without its content.
  const target = isLink(record) && size <= maxTargetBytes ? await wholeContent(content()) : undefined;
  return { name: record.name, entry: zipEntry(record, target), size, storedBytes: size, content };
}

/** Reads all records. None may share bytes with another, which is how small archives become huge. */
async function readDirectory({ path, maxEntries, signal }: ZipReading): Promise<readonly ZipRecord[]> {
  const zip = await openPromise(path, { autoClose: false, decodeStrings: false });
  try {
    const records: ZipRecord[] = [];
    const directoryStart = Number(zip.readEntryCursor);
    for await (const entry of zip.eachEntry()) {
      throwIfCancelled(signal);
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      records.push(zipRecord(entry, fileDataStart));
      // One more than is allowed tells the reader of it.
      if (records.length > maxEntries) break;
    }
    requireApart(records, directoryStart);
    return records;
  } finally {
    await closed(zip);
  }
}

function requireApart(records: readonly ZipRecord[], directoryStart: number): void {
  let end = 0;
  for (const { start, dataStart, packedBytes } of records.toSorted((a, b) => a.start - b.start)) {
    if (start < end) throw new Error("two of its members overlap");
    end = dataStart + packedBytes;
    if (end > directoryStart) throw new Error("a member of it reaches into its directory");
  }
}

/** Content whose length and checksum are as the directory says. */
async function* contentOf(record: ZipRecord, { path, signal }: ZipReading): AsyncGenerator<{ data: Buffer }> {
  let [length, sum] = [0, 0];
  for await (const data of unpackedContent(path, record, signal)) {
    length += data.length;
    if (length > record.size) break;
    sum = crc32(data, sum);
    yield { data };
  }
  if (length !== record.size) throw new Error("a member's length is not as its directory says");
  if (sum !== record.crc32) throw new Error("a member's checksum is wrong");
}

async function* unpackedContent(
  path: string,
  { dataStart, packedBytes, method }: ZipRecord,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  if (packedBytes === 0) return;
  const end = dataStart + packedBytes - 1;
  const packed = createReadStream(path, { start: dataStart, end, ...(signal ? { signal } : {}) });
  if (method === 0) {
    yield* packed as AsyncIterable<Buffer>;
    return;
  }
  const inflate = createInflateRaw();
  const flow = pipeline(packed, inflate);
  // The loop below reports a failure, unless its reader has left it.
  flow.catch(() => {});
  for await (const chunk of inflate) yield chunk as Buffer;
  await flow;
}

async function wholeContent(content: AsyncIterable<{ data: Buffer }>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const { data } of content) parts.push(data);
  return Buffer.concat(parts);
}

async function closed(zip: ZipFile): Promise<void> {
  await new Promise<void>((resolve) => {
    zip.once("close", resolve);
    // Reports a file that cannot be closed, of which nothing was written.
    zip.once("error", () => resolve());
    zip.close();
  });
}
