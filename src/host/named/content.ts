import { constants, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { throwIfCancelled, unlessCancelled, withDeadline } from "../../core/deadline.ts";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { explain, type LookOptions, lookAtNamed, namedError, oddKind } from "./look.ts";
import { isAnonymousPipe } from "./pseudo.ts";

const pieceBytes = 1 << 18;
const pollMs = 20;
/** Device number of /dev/null, which is an empty file to everyone */
const nullDevice = 0x103;

export interface ContentOptions extends LookOptions {
  /** Limit for the content */
  readonly maxBytes: number;
  /** What to do with content over the limit */
  readonly largerHint: LookOptions["hint"];
  readonly waits?: Waits;
}

/** Limits for waiting */
export interface Waits {
  /** For the next byte of a named pipe, whose other end may never be opened */
  readonly namedPipeMs: number;
  /** For the end of a named pipe, whose writer may never close it */
  readonly namedPipeEndMs: number;
  /** For the next byte of standard input and `<(command)`, whose writer may be slow to begin */
  readonly pipeMs: number;
}

const usualWaits: Waits = { namedPipeMs: 3_000, namedPipeEndMs: 30_000, pipeMs: 10 * 60_000 };

/**
 * Reads all of a file that a user named, or of a pipe. It refuses devices, directories and what is
 * larger than the limit.
 */
export async function readNamed(path: string, options: ContentOptions): Promise<Buffer> {
  const stats = await lookAtNamed(path, options);
  requireReadableKind(path, stats, options);
  // A pipe may take the file's place, and the open must not wait for the pipe's other end.
  const opened = open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  await using file = await opened.catch((error: unknown) => {
    throw explain(path, options, error);
  });
  const now = await file.stat();
  requireReadableKind(path, now, options);
  // The file is open until then.
  return await (now.isFIFO() ? readPipe(path, file, options) : readFile(path, file, now, options));
}

function requireReadableKind(path: string, stats: Stats, options: ContentOptions): void {
  const isEmpty = stats.isCharacterDevice() && stats.rdev === nullDevice;
  if (stats.isFile() || stats.isFIFO() || isEmpty) return;
  throw namedError(path, options, "invalid_argument", `it is ${oddKind(stats) ?? "a directory"}, not a file`);
}

async function readFile(path: string, file: FileHandle, { size }: Stats, options: ContentOptions): Promise<Buffer> {
  // Now, because a sparse file of a terabyte is quickly made.
  if (size > options.maxBytes) throw tooLarge(path, options);
  const collected = new Collected(path, options);
  for (;;) {
    throwIfCancelled(options.signal);
    const piece = await readPiece(file).catch((error: unknown) => {
      throw explain(path, options, error);
    });
    if (piece.length === 0) return collected.content();
    collected.add(piece);
  }
}

/** Reads a pipe without waiting in the kernel, which no deadline could end. */
async function readPipe(path: string, file: FileHandle, options: ContentOptions): Promise<Buffer> {
  const isAnonymous = await isAnonymousPipe(path);
  const collected = new Collected(path, options);
  const wait = new PipeWait(path, isAnonymous, options);
  for (;;) {
    throwIfCancelled(options.signal);
    const piece = await readPiece(file).catch((error: unknown) => {
      if (systemErrorCode(error) !== "EAGAIN") throw explain(path, options, error);
    });
    if (piece?.length) {
      collected.add(piece);
      wait.onPiece();
      continue;
    }
    // Before a writer has come, a pipe looks as if it had ended.
    if (piece && wait.hasWriter) return collected.content();
    if (!piece) wait.hasWriter = true;
    wait.requirePatience();
    await sleep(pollMs);
  }
}

/** The limits for the writer of a pipe. */
class PipeWait {
  /** No process can open an anonymous pipe later. */
  hasWriter: boolean;
  readonly #path: string;
  readonly #options: ContentOptions;
  readonly #patienceMs: number;
  readonly #wholeMs: number;
  readonly #startedMs = performance.now();
  #lastMs = this.#startedMs;

  constructor(path: string, isAnonymous: boolean, options: ContentOptions) {
    const { namedPipeMs, namedPipeEndMs, pipeMs } = options.waits ?? usualWaits;
    this.hasWriter = isAnonymous;
    this.#path = path;
    this.#options = { ...options, hint: "Write to the pipe and close it, or give a file." };
    this.#patienceMs = isAnonymous ? pipeMs : namedPipeMs;
    this.#wholeMs = isAnonymous ? Number.POSITIVE_INFINITY : namedPipeEndMs;
  }

  onPiece(): void {
    this.hasWriter = true;
    this.#lastMs = performance.now();
  }

  requirePatience(): void {
    const nowMs = performance.now();
    const doing = this.hasWriter ? "has written to" : "has opened";
    if (nowMs - this.#lastMs > this.#patienceMs) {
      throw this.#tooSlow(`it is a pipe that no process ${doing} for ${this.#patienceMs / 1000} s`);
    }
    if (nowMs - this.#startedMs > this.#wholeMs) {
      throw this.#tooSlow(`it is a pipe that was not closed for ${this.#wholeMs / 1000} s`);
    }
  }

  #tooSlow(reason: string): PyroError {
    return namedError(this.#path, this.#options, "timeout", reason);
  }
}

async function readPiece(file: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, null);
  return buffer.subarray(0, bytesRead);
}

/** Reads all of standard input, or of another stream. A terminal may take its time. */
export async function readStream(
  input: Readable & { readonly isTTY?: boolean },
  options: ContentOptions,
): Promise<Buffer> {
  const { pipeMs } = options.waits ?? usualWaits;
  const collected = new Collected("-", options);
  const pieces = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const limits = {
    waitingFor: "standard input",
    signal: options.signal,
    hint: "Close standard input, or give a file.",
  };
  try {
    for (;;) {
      const next = pieces.next();
      const { done, value } = await (input.isTTY
        ? unlessCancelled(next, options.signal)
        : withDeadline(next, { ...limits, timeoutMs: pipeMs }));
      if (done) return collected.content();
      collected.add(value);
    }
  } catch (error) {
    // It would keep the process from ending.
    input.destroy();
    throw error instanceof PyroError ? error : explain("-", options, error);
  }
}

/** Content as it comes, up to the limit. */
class Collected {
  readonly #path: string;
  readonly #options: ContentOptions;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(path: string, options: ContentOptions) {
    this.#path = path;
    this.#options = options;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#options.maxBytes) throw tooLarge(this.#path, this.#options);
    this.#pieces.push(piece);
  }

  content(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

function tooLarge(path: string, options: ContentOptions): PyroError {
  const { maxBytes, largerHint } = options;
  const reason = `it is larger than ${maxBytes / 1024 / 1024} MiB, which is the limit`;
  return namedError(path, { ...options, hint: largerHint }, "invalid_argument", reason);
}
