import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { PyroError } from "../../core/errors.ts";

/**
 * A member as tar-stream describes it. Its own types leave out fields that depend on the archive.
 */
export interface MemberHeader {
  readonly name: string;
  readonly linkname: string | null;
  /** Null for a type that tar-stream does not know */
  readonly type: string | null;
  readonly size: number;
  readonly mode: number;
  readonly mtime: Date;
  readonly pax: Readonly<Record<string, string>> | null;
}

export interface TarMember {
  readonly header: MemberHeader;
  readonly body: AsyncIterable<Buffer>;
}

const blockBytes = 512;
/** Length of an archive's end in `bytes`, which is all zero */
const endBytes = 2 * blockBytes;
const gzipMagic = Buffer.from([0x1f, 0x8b]);

export type ArchiveKind = "tar" | "tar.gz";

/** The kind of an archive by its first bytes; undefined for any other file. */
export async function archiveKind(path: string): Promise<ArchiveKind | undefined> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(blockBytes), 0, blockBytes, 0);
  if (buffer.subarray(0, gzipMagic.length).equals(gzipMagic)) return "tar.gz";
  return bytesRead === blockBytes && isTarHeader(buffer) ? "tar" : undefined;
}

/** A header contains the sum of its bytes. An empty archive begins with its end, which is zero. */
function isTarHeader(block: Buffer): boolean {
  if (block.every((byte) => byte === 0)) return true;
  const stated = Number.parseInt(block.toString("latin1", 148, 156).replaceAll("\0", " ").trim(), 8);
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  return stated === sum;
}

/** The members in order. It skips a body that was not read. */
export async function* tarMembers(
  path: string,
  kind: ArchiveKind,
  maxBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<TarMember> {
  const extractOptions: object = { filenameEncoding: "latin1", allowUnknownFormat: true };
  const members = extract(extractOptions);
  const plain = new EndOfTar(maxBytes);
  const sink = members as unknown as NodeJS.WritableStream;
  const stages = kind === "tar" ? [plain, sink] : [createGunzip(), plain, sink];
  const options = signal ? { signal } : {};
  const flow = pipeline([createReadStream(path, { highWaterMark: 1 << 18 }), ...stages], options);
  // The loop below reports a failure, unless its reader has left it.
  flow.catch(() => {});
  for await (const body of members) {
    yield { header: body.header as unknown as MemberHeader, body: body as AsyncIterable<Buffer> };
    body.resume();
  }
  await flow;
}

/** Fails if an archive has no proper end, which tar-stream accepts. */
class EndOfTar extends Transform {
  #last: Buffer = Buffer.alloc(0);
  #length = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#length += chunk.length;
    this.#last = chunk.length >= endBytes ? chunk : Buffer.concat([this.#last, chunk]);
    this.#last = this.#last.subarray(-endBytes);
    if (this.#length <= this.#maxBytes) done(null, chunk);
    else done(new PyroError("resource_exhausted", "it is too large when it is unpacked"));
  }

  override _flush(done: TransformCallback): void {
    const isEnd = this.#last.length === endBytes && this.#last.every((byte) => byte === 0);
    done(isEnd ? null : new Error("it is truncated: its end is missing"));
  }
}
