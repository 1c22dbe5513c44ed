import * as z from "zod";
import { messageOf, PyroError } from "../core/errors.ts";
import { fromWire } from "../core/wire-case.ts";
import type { Frame } from "./frames.ts";

/** Types of the frames by which a guest tells of a copy. */
export const copyFrame = { progress: 0x60, end: 0x6f } as const;

export const deviceRequestSchema = z.object({ device: z.string() });

const count = z.number().int().min(0);

export const copyProgressSchema = z.object({
  entryCount: count,
  /** Length of all files without their holes */
  contentBytes: count,
  /** Entries that cannot be read */
  skippedCount: count,
});
export type CopyProgress = z.output<typeof copyProgressSchema>;

export const copyEndSchema = copyProgressSchema.extend({
  error: z.object({ code: z.string(), message: z.string().max(4096) }).optional(),
});

/** Reads the frames of a copy to their end. Fails if the copy has failed. */
export async function readCopy(
  frames: AsyncIterable<Frame>,
  onProgress: (copied: CopyProgress) => void,
): Promise<CopyProgress> {
  for await (const { type, payload } of frames) {
    if (type === copyFrame.progress) onProgress(parse(copyProgressSchema, payload));
    if (type !== copyFrame.end) continue;
    const { error, ...copied } = parse(copyEndSchema, payload);
    if (error) throw new PyroError("failed_precondition", `the copy failed: ${error.message}`);
    return copied;
  }
  throw new PyroError("unavailable", "the connection ended before the copy did");
}

function parse<S extends z.ZodType>(schema: S, payload: Buffer): z.output<S> {
  try {
    return fromWire(schema, JSON.parse(payload.toString("utf8")));
  } catch (error) {
    throw new PyroError("internal", `the guest tells of a copy in a way that makes no sense: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
