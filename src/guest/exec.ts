import type { ClientHttp2Stream } from "node:http2";
import type { Readable, Writable } from "node:stream";
import * as z from "zod";
import { messageOf, PyroError } from "../core/errors.ts";
import { fromWire, toWire } from "../core/wire-case.ts";
import { encodeFrame, FrameDecoder, frameType, maxPayloadLength } from "./frames.ts";
import {
  commandSignalSchema,
  type ExecEnding,
  type ExecSpec,
  execEndingSchema,
  execSpecSchema,
  startedSchema,
} from "./messages.ts";

/**
 * Takes a piece of output and the frame that it came in. A promise holds the guest back until it
 * resolves.
 */
export type OutputSink = (chunk: Buffer, frame: Buffer) => Promise<void> | void;

export interface ExecOptions {
  /** Standard input in the frames of `encodeStdin`, its end included; default: none */
  readonly input?: AsyncIterable<Buffer> | undefined;
  /** Both are called in the order in which the guest sent the output */
  readonly onStdout: OutputSink;
  readonly onStderr: OutputSink;
  /** Called when the command has a process, with its number */
  readonly onStarted?: ((pid: number) => void) | undefined;
  /** Called with the end of the first process of a `wholeGroup` that goes on without it */
  readonly onMainExit?: ((ending: ExecEnding) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The agent enforces a command's time limit. An agent that is this late never will */
const overdueMs = 5_000;
/** Time that a guest with a lot to write back takes after a command's end, on a busy disk */
const syncMs = 120_000;
/**
 * After a stop of this process timers run before the input that waits, which gets this time to be
 * read
 */
const lastLookMs = 1_000;
/** More than all buffers between a command and the host can hold */
const maxLateBytes = 32 * 1024 * 1024;
/** Input goes in pieces of this size, so that the guest's reader sees it come */
const stdinChunkBytes = 64 * 1024;

/** Runs one exec stream from its spec to its exit frame. */
export async function runExec(stream: ClientHttp2Stream, spec: ExecSpec, options: ExecOptions): Promise<ExecEnding> {
  const end = new CallEnd(stream);
  const onAbort = () => end.cutOff(new PyroError("cancelled", "the command was cancelled"));
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  const watchdog = new Watchdog(spec, () => end.cutOff(overdue(spec)));
  try {
    stream.write(encodeSpec(spec));
    sendInput(stream, options.input).catch((error: unknown) => end.cutOff(brokenInput(error)));
    return await Promise.race([collect(stream, { ...options, watchdog, end }), refusal(stream), end.wasCutOff]);
  } catch (error) {
    if (end.reason) throw end.reason;
    throw error instanceof PyroError ? error : unknownOutcome(messageOf(error));
  } finally {
    end.isOver = true;
    watchdog.stop();
    options.signal?.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}

/**
 * Ends a call from the host's side, even while its output waits for a reader that never returns.
 */
class CallEnd {
  readonly wasCutOff: Promise<never>;
  reason: PyroError | undefined;
  /** Whether the caller has its answer, after which no output may reach it */
  isOver = false;
  readonly #stream: ClientHttp2Stream;
  #reject: (reason: PyroError) => void = () => {};

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    this.wasCutOff = new Promise((_, reject) => {
      this.#reject = reject;
    });
    // A rejection that no code awaits must not end the process.
    this.wasCutOff.catch(() => {});
  }

  cutOff(reason: PyroError): void {
    this.reason ??= reason;
    // Resetting the stream makes the agent kill the command's process tree.
    this.#stream.destroy();
    this.#reject(this.reason);
  }
}

/**
 * Expires if the command's end is long overdue, even if the guest sends other things. The time that
 * the host's reader takes does not count.
 */
class Watchdog {
  readonly #onExpire: () => void;
  readonly #dueMs: number;
  #lateBytes = 0;
  #remainingMs: number;
  #startedMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor({ timeoutMs, sync }: ExecSpec, onExpire: () => void) {
    const graceMs = overdueMs + (sync ? syncMs : 0);
    this.#remainingMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : timeoutMs + graceMs;
    // The guest syncs after its last output, so no output may come in that time.
    this.#dueMs = this.#startedMs + this.#remainingMs - (sync ? syncMs : 0);
    this.#onExpire = onExpire;
    this.#start();
  }

  /**
   * Long after the limit only output can arrive that was under way. A guest that goes on has
   * ignored the limit.
   */
  hear(length: number): void {
    if (performance.now() < this.#dueMs) return;
    this.#lateBytes += length;
    if (this.#lateBytes > maxLateBytes) this.#onExpire();
  }

  /** Waits for the host's reader, while the time stands still. */
  async whilePaused(reader: Promise<void> | void): Promise<void> {
    if (reader === undefined) return;
    clearTimeout(this.#timer);
    this.#remainingMs -= performance.now() - this.#startedMs;
    await reader;
    if (!this.#isStopped) this.#start();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #start(): void {
    this.#startedMs = performance.now();
    if (this.#remainingMs === Number.POSITIVE_INFINITY) return;
    const lastLook = () => {
      this.#timer = setTimeout(this.#onExpire, lastLookMs);
    };
    this.#timer = setTimeout(lastLook, Math.max(0, this.#remainingMs));
  }
}

/** Rejects if the agent answers with anything but a stream of frames. */
function refusal(stream: ClientHttp2Stream): Promise<never> {
  return new Promise((_, reject) => {
    stream.once("response", (headers) => {
      const status = Number(headers[":status"]);
      if (status !== 200) reject(new PyroError("internal", `the guest agent refused the command: status ${status}`));
    });
  });
}

interface Collecting extends ExecOptions {
  readonly watchdog: Watchdog;
  readonly end: CallEnd;
}

async function collect(stream: ClientHttp2Stream, { watchdog, end, ...options }: Collecting): Promise<ExecEnding> {
  const decoder = new FrameDecoder();
  const sinks = new Map<number, OutputSink>([
    [frameType.started, (payload) => options.onStarted?.(parseStarted(payload))],
    [frameType.stdout, options.onStdout],
    [frameType.stderr, options.onStderr],
    [frameType.mainExit, (payload) => options.onMainExit?.(parseEnding(payload))],
  ]);
  for await (const chunk of stream) {
    for (const frame of decoder.push(chunk as Buffer)) {
      if (end.isOver) break;
      if (frame.type === frameType.exit) return parseEnding(frame.payload);
      watchdog.hear(frame.payload.length);
      const sink = sinks.get(frame.type);
      if (sink) await watchdog.whilePaused(sink(frame.payload, frame.bytes));
    }
  }
  throw unknownOutcome("the connection to the guest agent ended before the command did");
}

function encodeSpec(spec: ExecSpec): Buffer {
  const payload = Buffer.from(JSON.stringify(toWire(execSpecSchema, spec)));
  if (payload.length <= maxPayloadLength) return encodeFrame(frameType.spec, payload);
  throw new PyroError(
    "invalid_argument",
    `cannot run a command of ${payload.length} bytes: arguments and environment may have ${maxPayloadLength} together`,
    { hint: "Write long data to a file first." },
  );
}

function parseStarted(payload: Buffer): number {
  const { success, data } = startedSchema.safeParse(parseJson(payload));
  if (!success) throw unknownOutcome("the guest agent reported a start that does not fit the protocol");
  return data.pid;
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch {
    return undefined;
  }
}

function parseEnding(payload: Buffer): ExecEnding {
  try {
    return fromWire(execEndingSchema, JSON.parse(payload.toString("utf8")));
  } catch (error) {
    const reason = error instanceof z.ZodError ? "an ending that does not fit the protocol" : messageOf(error);
    throw unknownOutcome(`the guest agent reported ${reason}`);
  }
}

/** The frames of a command's standard input, up to its end. */
export async function* encodeStdin(stdin?: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of stdin ?? []) {
    const bytes = Buffer.from(chunk as Uint8Array);
    for (let start = 0; start < bytes.length; start += stdinChunkBytes) {
      yield encodeFrame(frameType.stdin, bytes.subarray(start, start + stdinChunkBytes));
    }
  }
  yield encodeFrame(frameType.stdinEnd, Buffer.alloc(0));
}

/** A signal for a command's processes, as part of its input. */
export function encodeSignal(signal: string): Buffer {
  return encodeFrame(frameType.signal, Buffer.from(JSON.stringify(toWire(commandSignalSchema, { signal }))));
}

/** Rejects if the input itself fails. A command that leaves some of it unread is no failure. */
async function sendInput(stream: ClientHttp2Stream, input: AsyncIterable<Buffer> = encodeStdin()): Promise<void> {
  for await (const bytes of input) {
    if (stream.destroyed) return;
    if (!stream.write(bytes)) await drained(stream);
  }
  stream.end();
}

/** Resolves when a stream takes more, or has closed. */
export function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}

function brokenInput(error: unknown): PyroError {
  return new PyroError("failed_precondition", `the command's input failed: ${messageOf(error)}`, { cause: error });
}

/** The guest could not end the command, so the machine's owner must end the machine. */
function overdue({ timeoutMs }: ExecSpec): PyroError {
  return new PyroError("timeout", `the command did not end at its time limit of ${timeoutMs / 1000} s`, {
    hint: "The machine has to be stopped to be sure that the command is.",
  });
}

function unknownOutcome(reason: string): PyroError {
  return new PyroError("outcome_unknown", `the command may have run, its outcome is unknown: ${reason}`, {
    hint: "Look at what the command should have changed before you run it again.",
  });
}
