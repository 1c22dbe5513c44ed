import type * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { fromWire } from "../../core/wire-case.ts";
import { printablePath } from "../../tree/name.ts";
import { pathProblem } from "../../tree/path.ts";
import type { Frame } from "../frames.ts";
import {
  type ContentPiece,
  type GuestChange,
  type GuestEntry,
  type GuestItem,
  type GuestSide,
  type TreeEnd,
  treeChangeSchema,
  treeEndSchema,
  treeEntrySchema,
  treeFrame,
  type treeSideSchema,
} from "./messages.ts";

/** Reads the frames of a guest's tree and checks everything in them. Tells `onEnd` the last one. */
export async function* decodeTree(
  frames: AsyncIterable<Frame>,
  onEnd: (end: TreeEnd) => void = () => {},
): AsyncGenerator<GuestItem> {
  await using reader = new FrameReader(frames);
  for (;;) {
    const frame = await reader.next();
    if (frame.type === treeFrame.end) return onEnd(await reader.finish(frame));
    if (frame.type !== treeFrame.entry) throw misplaced(frame);
    const entry = parseEntry(frame);
    let isRead = false;
    const content = async function* () {
      isRead = true;
      yield* contentOf(reader, treeFrame.content, treeFrame.contentEnd);
    };
    yield { entry, content };
    // The guest has sent the content whether the caller reads it or not.
    if (!isRead && isContent(await reader.peek())) for await (const _ of content());
  }
}

/**
 * Reads the changes that a guest lists. `contentLimit` is the limit that it was given, in `bytes`
 * for each side.
 */
export async function* decodeChanges(
  frames: AsyncIterable<Frame>,
  contentLimit: number,
  onEnd: (end: TreeEnd) => void = () => {},
): AsyncGenerator<GuestChange> {
  await using reader = new FrameReader(frames);
  for (;;) {
    const frame = await reader.next();
    if (frame.type === treeFrame.end) return onEnd(await reader.finish(frame));
    if (frame.type !== treeFrame.change) throw misplaced(frame);
    const {
      path: text,
      pathBase64,
      old,
      new: now,
      status,
      content,
      contentChanged,
    } = parseJson(frame, treeChangeSchema);
    const [oldSide, newSide] = [parseSide(old), parseSide(now)];
    yield {
      path: parsePath(text, pathBase64),
      status,
      old: oldSide,
      new: newSide,
      contentChanged,
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
    // Empty pieces could go on for ever without reaching a limit.
    if (frame.type === dataType && frame.payload.length > 0) yield { data: frame.payload };
    else if (frame.type === treeFrame.hole) yield { hole: holeLength(frame) };
    else throw misplaced(frame);
  }
}

/** Reads content up to the limit that the guest was given. */
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
  } = parseJson(frame, treeEntrySchema);
  const { mode: bits, size, sha256, type, reason } = rest;
  return {
    type,
    path: parsePath(text, pathBase64),
    ...(bits === undefined ? {} : { mode: bits }),
    ...(size === undefined ? {} : { size }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(reason === undefined ? {} : { reason }),
    ...(mtimeNs === undefined ? {} : { mtimeNs: BigInt(mtimeNs) }),
    ...parseTarget(link, targetBase64),
  };
}

function parseEnd(frame: Frame): TreeEnd {
  return frame.payload.length === 0 ? { skippedCount: 0 } : parseJson(frame, treeEndSchema);
}

function parseSide(side: z.output<typeof treeSideSchema>): GuestSide | null {
  if (!side) return null;
  const { type, mode: bits, size, target: link, targetBase64 } = side;
  return { type, mode: bits, ...(size === undefined ? {} : { size }), ...parseTarget(link, targetBase64) };
}

/** The text of a symbolic link, which a message has in one of two fields. */
export function parseTarget(text: string | undefined, base64: string | undefined): { target?: Buffer } {
  return text === undefined && base64 === undefined ? {} : { target: bytesOf(text, base64) };
}

/** A path that stays inside the tree, whatever the guest says. */
function parsePath(text: string | undefined, base64: string | undefined): Buffer {
  const bytes = bytesOf(text, base64);
  const problem = pathProblem(bytes);
  if (problem === undefined) return bytes;
  const path = printablePath(bytes.subarray(0, 200));
  throw new PyroError("internal", `the guest named an impossible path, '${path}': ${problem}`);
}

function bytesOf(text: string | undefined, base64: string | undefined): Buffer {
  return text === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(text, "utf8");
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

/** Reads frames one by one, and can look at the next one. */
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

  /** Reads the last frame, after the end of the stream has confirmed that all went well. */
  async finish(end: Frame): Promise<TreeEnd> {
    const { value, done } = await this.#frames.next();
    if (!done) throw misplaced(value);
    return parseEnd(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frames.return?.();
  }
}
