import type * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { toWire } from "../../core/wire-case.ts";
import { encodeFrame, maxPayloadLength } from "../frames.ts";
import {
  type ContentPiece,
  type GuestEntry,
  type GuestItem,
  type TreeWriteHeader,
  treeEntrySchema,
  treeFrame,
  treeWriteHeaderSchema,
} from "./messages.ts";

/** Longer content goes in several frames of this size */
const contentChunkBytes = 256 * 1024;
/** What leaves together, unless it is the last */
const gatheredBytes = 128 * 1024;

/** A path as the protocol writes it: as text if it is UTF-8, else in base64. */
export function wirePath(bytes: Buffer): { path?: string; pathBase64?: string } {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? { path: text } : { pathBase64: bytes.toString("base64") };
}

function wireTarget(bytes: Buffer | undefined): { target?: string; targetBase64?: string } {
  if (bytes === undefined) return {};
  const { path: text, pathBase64 } = wirePath(bytes);
  return text === undefined ? { targetBase64: pathBase64 ?? "" } : { target: text };
}

/** The frames of a tree to be written, from its header to its end, many in one buffer. */
export function encodeTree(header: TreeWriteHeader, items: AsyncIterable<GuestItem>): AsyncGenerator<Buffer> {
  return gathered(framesOfTree(header, items));
}

async function* framesOfTree(header: TreeWriteHeader, items: AsyncIterable<GuestItem>): AsyncGenerator<Buffer> {
  yield jsonFrame(treeFrame.header, treeWriteHeaderSchema, header);
  for await (const { entry, content } of items) {
    yield encodeEntry(entry);
    if (entry.type !== "file") continue;
    for await (const piece of content()) yield* encodePiece(piece);
    yield encodeFrame(treeFrame.contentEnd, Buffer.alloc(0));
  }
  yield encodeFrame(treeFrame.end, Buffer.alloc(0));
}

/** Joins small buffers: each costs the way to the guest more than its bytes do. */
async function* gathered(buffers: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let [waiting, length]: [Buffer[], number] = [[], 0];
  for await (const buffer of buffers) {
    waiting.push(buffer);
    length += buffer.length;
    if (length < gatheredBytes) continue;
    yield joined(waiting);
    [waiting, length] = [[], 0];
  }
  if (length > 0) yield joined(waiting);
}

function joined(buffers: readonly Buffer[]): Buffer {
  const [first, ...others] = buffers;
  return first && others.length === 0 ? first : Buffer.concat(buffers);
}

function encodeEntry({ path: bytes, target: link, mtimeNs, expect, ...rest }: GuestEntry): Buffer {
  return jsonFrame(treeFrame.entry, treeEntrySchema, {
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
