import { once } from "node:events";
import type { ClientHttp2Stream } from "node:http2";
import type { Readable } from "node:stream";
import * as z from "zod";
import { messageOf, PyroError } from "../core/errors.ts";
import { fromWire, toWire } from "../core/wire-case.ts";
import { encodeFrame, type Frame, FrameDecoder, frameType } from "./exec-frames.ts";
import { type ExecEnding, type ExecSpec, execEndingSchema, execSpecSchema } from "./messages.ts";

export interface ExecOptions {
  readonly stdin?: Readable | undefined;
  /** Called in order; a promise holds the guest back until it resolves */
  onStdout(chunk: Buffer): Promise<void> | void;
  onStderr(chunk: Buffer): Promise<void> | void;
  readonly signal?: AbortSignal | undefined;
}

/** The agent enforces a command's time limit; if it has not by this much later, it never will. */
const overdueMs = 10_000;
const stdinChunkLength = 64 * 1024;

/** Drives one exec stream from its spec to its exit frame. */
export async function runExec(stream: ClientHttp2Stream, spec: ExecSpec, options: ExecOptions): Promise<ExecEnding> {
  let cutShort: PyroError | undefined;
  const cutOff = (reason: PyroError) => {
    cutShort ??= reason;
    // Resetting the stream makes the agent kill the command's process tree.
    stream.destroy();
  };
  const onAbort = () => cutOff(new PyroError("cancelled", "the command was cancelled"));
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  const overdue =
    spec.timeoutMs === 0
      ? undefined
      : setTimeout(() => cutOff(unknownOutcome("the guest agent stopped answering")), spec.timeoutMs + overdueMs);
  try {
    stream.write(encodeFrame(frameType.spec, Buffer.from(JSON.stringify(toWire(execSpecSchema, spec)))));
    void sendStdin(stream, options.stdin);
    return await readFrames(stream, options);
  } catch (error) {
    if (cutShort) throw cutShort;
    throw error instanceof PyroError ? error : unknownOutcome(messageOf(error));
  } finally {
    clearTimeout(overdue);
    options.signal?.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}

async function readFrames(stream: ClientHttp2Stream, options: ExecOptions): Promise<ExecEnding> {
  const refused = new Promise<never>((_, reject) => {
    stream.once("response", (headers) => {
      const status = Number(headers[":status"]);
      if (status !== 200) reject(new PyroError("internal", `the guest agent refused the command: status ${status}`));
    });
  });
  return Promise.race([refused, collect(stream, options)]);
}

async function collect(stream: ClientHttp2Stream, options: ExecOptions): Promise<ExecEnding> {
  const decoder = new FrameDecoder();
  for await (const chunk of stream) {
    for (const frame of decoder.push(chunk as Buffer)) {
      if (frame.type === frameType.exit) return parseEnding(frame);
      if (frame.type === frameType.stdout) await options.onStdout(frame.payload);
      if (frame.type === frameType.stderr) await options.onStderr(frame.payload);
    }
  }
  throw unknownOutcome("the connection to the guest agent ended before the command did");
}

function parseEnding(frame: Frame): ExecEnding {
  try {
    return fromWire(execEndingSchema, JSON.parse(frame.payload.toString("utf8")));
  } catch (error) {
    const reason = error instanceof z.ZodError ? "an ending that does not fit the protocol" : messageOf(error);
    throw unknownOutcome(`the guest agent reported ${reason}`);
  }
}

async function sendStdin(stream: ClientHttp2Stream, stdin: Readable | undefined): Promise<void> {
  try {
    for await (const chunk of stdin ?? []) {
      const bytes = Buffer.from(chunk as Uint8Array);
      for (let start = 0; start < bytes.length; start += stdinChunkLength) {
        const frame = encodeFrame(frameType.stdin, bytes.subarray(start, start + stdinChunkLength));
        if (!stream.write(frame)) await once(stream, "drain");
      }
    }
    stream.end(encodeFrame(frameType.stdinEnd, Buffer.alloc(0)));
  } catch {
    // The command ended, or the caller's input failed, before all of it was read: the exit frame tells the outcome.
    if (!stream.destroyed) stream.end();
  }
}

function unknownOutcome(reason: string): PyroError {
  return new PyroError("outcome_unknown", `the command may have run, its outcome is unknown: ${reason}`, {
    hint: "Look at what the command should have changed before you run it again.",
  });
}
