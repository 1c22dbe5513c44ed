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
  const cut = new CutOff(stream);
  const onAbort = () => cut.now(new PyroError("cancelled", "the command was cancelled"));
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  const watchdog = new Watchdog(spec.timeoutMs, () => cut.now(unknownOutcome("the guest agent stopped answering")));
  try {
    stream.write(encodeFrame(frameType.spec, Buffer.from(JSON.stringify(toWire(execSpecSchema, spec)))));
    void sendStdin(stream, options.stdin);
    return await Promise.race([collect(stream, watchdog, options), refusal(stream), cut.happens]);
  } catch (error) {
    if (cut.reason) throw cut.reason;
    throw error instanceof PyroError ? error : unknownOutcome(messageOf(error));
  } finally {
    watchdog.stop();
    options.signal?.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}

/** Ends a command from this side, even while its output waits for a reader that never comes back. */
class CutOff {
  readonly happens: Promise<never>;
  reason: PyroError | undefined;
  readonly #stream: ClientHttp2Stream;
  #reject: (reason: PyroError) => void = () => {};

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    this.happens = new Promise((_, reject) => {
      this.#reject = reject;
    });
    // Nobody may be waiting for it yet, or any more.
    this.happens.catch(() => {});
  }

  now(reason: PyroError): void {
    this.reason ??= reason;
    // Resetting the stream makes the agent kill the command's process tree.
    this.#stream.destroy();
    this.#reject(this.reason);
  }
}

/** Expires when the guest says nothing although its own limit for the command is long past; time that our reader takes does not count. */
class Watchdog {
  readonly #limitAtMs: number;
  readonly #onExpire: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number, onExpire: () => void) {
    this.#limitAtMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    this.#onExpire = onExpire;
    this.resume();
  }

  resume(): void {
    if (this.#limitAtMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(this.#onExpire, Math.max(0, this.#limitAtMs - performance.now()) + overdueMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function refusal(stream: ClientHttp2Stream): Promise<never> {
  return new Promise((_, reject) => {
    stream.once("response", (headers) => {
      const status = Number(headers[":status"]);
      if (status !== 200) reject(new PyroError("internal", `the guest agent refused the command: status ${status}`));
    });
  });
}

async function collect(stream: ClientHttp2Stream, watchdog: Watchdog, options: ExecOptions): Promise<ExecEnding> {
  const decoder = new FrameDecoder();
  for await (const chunk of stream) {
    watchdog.stop();
    for (const frame of decoder.push(chunk as Buffer)) {
      if (frame.type === frameType.exit) return parseEnding(frame);
      if (frame.type === frameType.stdout) await options.onStdout(frame.payload);
      if (frame.type === frameType.stderr) await options.onStderr(frame.payload);
    }
    watchdog.resume();
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
