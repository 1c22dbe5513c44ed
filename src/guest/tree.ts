import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import { fromWire, toWire } from "../core/wire-case.ts";
import { encodeFrame, type Frame, maxPayloadLength } from "./frames.ts";

/** Types of the frames that carry trees of files; agent/PROTOCOL.md says what is in each. */
export const treeFrame = {
  header: 0x30,
  entry: 0x31,
  content: 0x32,
  contentEnd: 0x33,
  hole: 0x34,
  change: 0x35,
  oldContent: 0x36,
  oldContentEnd: 0x37,
  end: 0x3f,
} as const;

/** More bytes of content than this are sent in several frames */
const contentChunkBytes = 256 * 1024;
/** Linux's PATH_MAX; the text of a symbolic link has the same limit */
const maxPathBytes = 4096;

const path = {
  path: z.string().max(maxPathBytes).optional(),
  pathBase64: z
    .string()
    .max(2 * maxPathBytes)
    .optional(),
};
const target = {
  target: z.string().max(maxPathBytes).optional(),
  targetBase64: z
    .string()
    .max(2 * maxPathBytes)
    .optional(),
};
const mode = z.number().int().min(0).max(0o7777);
const sizeBytes = z.number().int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const entrySchema = z.object({
  ...path,
  ...target,
  type: z.enum(["file", "directory", "symlink", "hard_link", "other", "missing", "delete"]),
  mode: mode.optional(),
  size: sizeBytes.optional(),
  /** Decimal, because nanoseconds do not fit a JSON number */
  mtimeNs: z
    .string()
    .regex(/^-?\d{1,20}$/)
    .optional(),
  sha256: digest.optional(),
  expect: z.object({ type: z.string(), sha256: digest.optional(), ...target }).optional(),
});

const sideSchema = z
  .object({ type: z.enum(["file", "directory", "symlink", "other"]), mode, size: sizeBytes.optional(), ...target })
  .nullable()
  .optional();

const changeSchema = z.object({
  ...path,
  status: z.enum(["added", "modified", "deleted", "type_changed"]),
  old: sideSchema,
  new: sideSchema,
  contentChanged: z.boolean(),
  /** Content of the files follows */
  content: z.boolean().optional(),
});

const headerSchema = z.object({
  dest: z.string().optional(),
  makeParents: z.boolean(),
  removeEmptyParents: z.boolean(),
});
export type TreeWriteHeader = z.output<typeof headerSchema>;

export const treeReadSchema = z.object({
  paths: z.array(z.object(path)).min(1),
  /** 0: only the path itself; 1: with its children; -1: with everything below */
  depth: z.number().int().min(-1).max(1),
  /** Of each regular file; 0: none; -1: all of it */
  contentLimit: z.number().int().min(-1),
  /** First byte of each regular file to be sent; default: 0 */
  contentOffset: z.number().int().min(0).optional(),
  digest: z.boolean(),
  follow: z.boolean(),
});
export type TreeReadRequest = z.output<typeof treeReadSchema>;

export const treeChangesSchema = z.object({ contentLimit: z.number().int().min(0) });

export const treeWriteAnswerSchema = z.object({ entryCount: sizeBytes, bytesWritten: sizeBytes });
export type TreeWriteAnswer = z.output<typeof treeWriteAnswerSchema>;

/** What must be at a path for a write to happen. */
export interface Expectation {
  readonly type: "missing" | "file" | "symlink";
  /** Of a file, 64 hexadecimal digits */
  readonly sha256?: string;
  readonly target?: Buffer;
}

/** One path of a guest's tree; names are bytes, because Linux's are. */
export interface GuestEntry {
  readonly path: Buffer;
  readonly type: z.output<typeof entrySchema>["type"];
  /** Permission bits */
  readonly mode?: number;
  /** In `bytes` */
  readonly size?: number;
  readonly mtimeNs?: bigint;
  /** Text of a symbolic link, or the earlier path that a hard link shares its file with */
  readonly target?: Buffer;
  readonly sha256?: string;
  readonly expect?: Expectation;
}

export type ContentPiece = { readonly data: Buffer } | { readonly hole: number };

/** An entry with its content, which must be read, or not, before the next entry is asked for. */
export interface GuestItem {
  readonly entry: GuestEntry;
  content(): AsyncIterable<ContentPiece>;
}

export interface GuestSide {
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly mode: number;
  /** In `bytes` */
  readonly size?: number;
  readonly target?: Buffer;
}

export interface GuestChange {
  readonly path: Buffer;
  readonly status: z.output<typeof changeSchema>["status"];
  readonly old: GuestSide | null;
  readonly new: GuestSide | null;
  /** false when only the mode has changed */
  readonly contentChanged: boolean;
  /** Content of a regular file on each side, unless it is above the limit that was asked for */
  readonly oldContent?: Buffer;
  readonly newContent?: Buffer;
}

/** A path as the protocol writes it: as text where it is UTF-8, else in base64. */
export function wirePath(bytes: Buffer): { path?: string; pathBase64?: string } {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? { path: text } : { pathBase64: bytes.toString("base64") };
}

function wireTarget(bytes: Buffer | undefined): { target?: string; targetBase64?: string } {
  if (bytes === undefined) return {};
  const { path: text, pathBase64 } = wirePath(bytes);
  return text === undefined ? { targetBase64: pathBase64 ?? "" } : { target: text };
}

/** The frames of a tree to be written, from its header to its end. */
export async function* encodeTree(header: TreeWriteHeader, items: AsyncIterable<GuestItem>): AsyncGenerator<Buffer> {
  yield jsonFrame(treeFrame.header, headerSchema, header);
  for await (const { entry, content } of items) {
    yield encodeEntry(entry);
    if (entry.type !== "file") continue;
    for await (const piece of content()) yield* encodePiece(piece);
    yield encodeFrame(treeFrame.contentEnd, Buffer.alloc(0));
  }
  yield encodeFrame(treeFrame.end, Buffer.alloc(0));
}

function encodeEntry({ path: bytes, target: link, mtimeNs, expect, ...rest }: GuestEntry): Buffer {
  return jsonFrame(treeFrame.entry, entrySchema, {
    ...rest,
    ...wirePath(bytes),
    ...wireTarget(link),
    ...(mtimeNs === undefined ? {} : { mtimeNs: String(mtimeNs) }),
    ...(expect === undefined ? {} : { expect: { ...expect, target: undefined, ...wireTarget(expect.target) } }),
  });
}

function* encodePiece(piece: ContentPiece): Generator<Buffer> {
  if ("hole" in piece) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(piece.hole));
    yield encodeFrame(treeFrame.hole, length);
    return;
  }
  for (let start = 0; start < piece.data.length; start += contentChunkBytes) {
    yield encodeFrame(treeFrame.content, piece.data.subarray(start, start + contentChunkBytes));
  }
}

function jsonFrame(type: number, schema: z.ZodType, value: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(toWire(schema, value)));
  if (payload.length <= maxPayloadLength) return encodeFrame(type, payload);
  throw new PyroError(
    "invalid_argument",
    `cannot send ${payload.length} bytes of description: ${maxPayloadLength} are the most`,
  );
}

/** Reads the frames of a guest's tree; everything in them is checked, as a guest can say anything. */
export async function* decodeTree(frames: AsyncIterable<Frame>): AsyncGenerator<GuestItem> {
  await using reader = new FrameReader(frames);
  for (;;) {
    const frame = await reader.next();
    if (frame.type === treeFrame.end) return await reader.expectNoMore();
    if (frame.type !== treeFrame.entry) throw misplaced(frame);
    const entry = parseEntry(frame);
    let isRead = false;
    const content = async function* () {
      isRead = true;
      yield* contentOf(reader, treeFrame.content, treeFrame.contentEnd);
    };
    yield { entry, content };
    // What nobody wanted to see has been sent all the same.
    if (!isRead && isContent(await reader.peek())) for await (const _ of content());
  }
}

/** Reads what a guest says has changed; `contentLimit` is what it was asked for, in `bytes` for each side. */
export async function* decodeChanges(frames: AsyncIterable<Frame>, contentLimit: number): AsyncGenerator<GuestChange> {
  await using reader = new FrameReader(frames);
  for (;;) {
    const frame = await reader.next();
    if (frame.type === treeFrame.end) return await reader.expectNoMore();
    if (frame.type !== treeFrame.change) throw misplaced(frame);
    const { path: text, pathBase64, old, new: now, status, content, contentChanged } = parseJson(frame, changeSchema);
    const [oldSide, newSide] = [parseSide(old), parseSide(now)];
    yield {
      ...{ path: parsePath(text, pathBase64), status, old: oldSide, new: newSide, contentChanged },
      ...(content && oldSide?.type === "file"
        ? { oldContent: await wholeContent(reader, [treeFrame.oldContent, treeFrame.oldContentEnd], contentLimit) }
        : {}),
      ...(content && newSide?.type === "file"
        ? { newContent: await wholeContent(reader, [treeFrame.content, treeFrame.contentEnd], contentLimit) }
        : {}),
    };
  }
}

async function* contentOf(reader: FrameReader, dataType: number, endType: number): AsyncGenerator<ContentPiece> {
  for (;;) {
    const frame = await reader.next();
    if (frame.type === endType) return;
    // Pieces of nothing could go on for ever without ever being too much.
    if (frame.type === dataType && frame.payload.length > 0) yield { data: frame.payload };
    else if (frame.type === treeFrame.hole) yield { hole: holeLength(frame) };
    else throw misplaced(frame);
  }
}

/** Of a size that was asked for, so a guest that sends more lies. */
async function wholeContent(
  reader: FrameReader,
  [dataType, endType]: readonly [number, number],
  limitBytes: number,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of contentOf(reader, dataType, endType)) {
    length += "hole" in piece ? piece.hole : piece.data.length;
    if (length > limitBytes) throw new PyroError("internal", "the guest sent more content than it was asked for");
    pieces.push("hole" in piece ? Buffer.alloc(piece.hole) : piece.data);
  }
  return Buffer.concat(pieces);
}

function holeLength({ payload }: Frame): number {
  const length = payload.length === 8 ? Number(payload.readBigUInt64BE(0)) : Number.NaN;
  if (Number.isSafeInteger(length) && length > 0) return length;
  throw new PyroError("internal", "the guest sent a hole of an impossible length");
}

function parseEntry(frame: Frame): GuestEntry {
  const {
    path: text,
    pathBase64,
    target: link,
    targetBase64,
    mtimeNs,
    expect: _,
    ...rest
  } = parseJson(frame, entrySchema);
  const { mode: bits, size, sha256, type } = rest;
  return {
    type,
    path: parsePath(text, pathBase64),
    ...(bits === undefined ? {} : { mode: bits }),
    ...(size === undefined ? {} : { size }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(mtimeNs === undefined ? {} : { mtimeNs: BigInt(mtimeNs) }),
    ...parseTarget(link, targetBase64),
  };
}

function parseSide(side: z.output<typeof sideSchema>): GuestSide | null {
  if (!side) return null;
  const { type, mode: bits, size, target: link, targetBase64 } = side;
  return { type, mode: bits, ...(size === undefined ? {} : { size }), ...parseTarget(link, targetBase64) };
}

function parseTarget(text: string | undefined, base64: string | undefined): { target?: Buffer } {
  if (text === undefined && base64 === undefined) return {};
  return { target: text === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(text, "utf8") };
}

/** A path that stays where it is relative to, whatever the guest says. */
function parsePath(text: string | undefined, base64: string | undefined): Buffer {
  const bytes = text === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(text, "utf8");
  if (bytes.length === 0) return bytes;
  const isSound =
    bytes.length <= maxPathBytes &&
    !bytes.includes(0) &&
    bytes
      .toString("latin1")
      .split("/")
      .every((name) => name !== "" && name !== "." && name !== "..");
  if (isSound) return bytes;
  throw new PyroError(
    "internal",
    `the guest named an impossible path: ${JSON.stringify(bytes.toString("latin1").slice(0, 200))}`,
  );
}

function parseJson<S extends z.ZodType>(frame: Frame, schema: S): z.output<S> {
  try {
    return fromWire(schema, JSON.parse(frame.payload.toString("utf8")));
  } catch (error) {
    throw new PyroError("internal", "the guest described its files in a way that makes no sense", { cause: error });
  }
}

function misplaced({ type }: Frame): PyroError {
  return new PyroError(
    "internal",
    `the guest's description of its files makes no sense: frame ${type} is out of place`,
  );
}

function isContent({ type }: Frame): boolean {
  return type === treeFrame.content || type === treeFrame.contentEnd || type === treeFrame.hole;
}

/** Pulls frames one by one, with a look at the next one. */
class FrameReader implements AsyncDisposable {
  readonly #frames: AsyncIterator<Frame>;
  #peeked: Frame | undefined;

  constructor(frames: AsyncIterable<Frame>) {
    this.#frames = frames[Symbol.asyncIterator]();
  }

  async peek(): Promise<Frame> {
    this.#peeked ??= await this.next();
    return this.#peeked;
  }

  async next(): Promise<Frame> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    if (peeked) return peeked;
    const { value, done } = await this.#frames.next();
    if (!done) return value;
    throw new PyroError("unavailable", "the guest's description of its files ended too early");
  }

  /** Whoever sent the frames may still have to say that all went well. */
  async expectNoMore(): Promise<void> {
    const { value, done } = await this.#frames.next();
    if (!done) throw misplaced(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frames.return?.();
  }
}
