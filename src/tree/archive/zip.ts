import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { fromRandomAccessReaderPromise, RandomAccessReader } from "yauzl";
import { throwIfCancelled } from "../../core/deadline.ts";
import { systemErrorCode } from "../../core/errors.ts";
import { truncated } from "./bytes.ts";
import { type ArchiveMember, maxTargetBytes } from "./member.ts";
import { isLink, type ZipRecord, zipEntry, zipRecord } from "./zip-record.ts";

export interface ZipReading {
  readonly path: string;
  readonly maxEntries: number;
  readonly signal: AbortSignal | undefined;
  /** Keeps the archive's directory for the next reading of the same file */
  readonly kept: { records?: readonly ZipRecord[] };
}

type OpenZip = ZipReading & { readonly file: FileHandle };

/** Limit in `bytes` for members that are unpacked at once, many times as fast as by a stream */
const smallBytes = 256 * 1024;

/** The members in the order of the archive's directory, which says what is in it. */
export async function* zipMembers(reading: ZipReading): AsyncGenerator<ArchiveMember> {
  await using file = await open(reading.path, "r");
  const records = reading.kept.records ?? (await readDirectory(file, reading));
  reading.kept.records = records;
  for (const record of records) {
    throwIfCancelled(reading.signal);
    yield await memberOf(record, { ...reading, file });
  }
}

async function memberOf(record: ZipRecord, reading: OpenZip): Promise<ArchiveMember> {
  const { size } = record;
  const content = () => contentOf(record, reading);
  // A longer target is refused without its content.
  const target = isLink(record) && size <= maxTargetBytes ? await wholeContent(content()) : undefined;
  return { name: record.name, entry: zipEntry(record, target), size, storedBytes: size, content };
}

/** Reads all records. Members may not share bytes, by which small archives unpack to huge ones. */
async function readDirectory(file: FileHandle, { maxEntries, signal }: ZipReading): Promise<readonly ZipRecord[]> {
  const { size } = await file.stat();
  const options = { autoClose: false, decodeStrings: false };
  const zip = await fromRandomAccessReaderPromise(new BoundedReader(file, size), size, options);
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
}

/**
 * Refuses places outside of the file. The library reads wherever an archive says, and a place that
 * no file can have would end the process.
 */
class BoundedReader extends RandomAccessReader {
  readonly #file: FileHandle;
  readonly #size: number;

  constructor(file: FileHandle, size: number) {
    super();
    this.#file = file;
    this.#size = size;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    if (!(position >= 0 && position + length <= this.#size)) {
      setImmediate(callback, new Error(truncated));
      return;
    }
    this.#file
      .read(buffer, offset, length, position)
      .then(({ bytesRead }) => callback(bytesRead === length ? null : new Error(truncated)), callback);
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

const wrongLength = "a member's length is not as its directory says";

/** Content whose length and checksum are as the directory says. */
async function* contentOf(record: ZipRecord, { path, file, signal }: OpenZip): AsyncGenerator<{ data: Buffer }> {
  let [length, sum] = [0, 0];
  const isSmall = record.packedBytes <= smallBytes && record.size <= smallBytes;
  for await (const data of isSmall ? smallContent(file, record) : largeContent(path, record, signal)) {
    length += data.length;
    if (length > record.size) break;
    sum = crc32(data, sum);
    yield { data };
  }
  if (length !== record.size) throw new Error(wrongLength);
  if (sum !== record.crc32) throw new Error("a member's checksum is wrong");
}

async function* smallContent(
  file: FileHandle,
  { dataStart, packedBytes, method, size }: ZipRecord,
): AsyncGenerator<Buffer> {
  if (packedBytes === 0) return;
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(packedBytes), 0, packedBytes, dataStart);
  const packed = buffer.subarray(0, bytesRead);
  yield method === 0 ? packed : inflated(packed, size);
}

function inflated(packed: Buffer, size: number): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: size + 1 });
  } catch (error) {
    throw systemErrorCode(error) === "ERR_BUFFER_TOO_LARGE" ? new Error(wrongLength) : error;
  }
}

async function* largeContent(
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
