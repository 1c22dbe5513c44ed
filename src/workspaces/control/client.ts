import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import * as z from "zod";
import { notIdle } from "../../core/deadline.ts";
import { type ErrorCode, errorCodes, messageOf, PyroError, systemErrorCode } from "../../core/errors.ts";
import { fromWire, toWire } from "../../core/wire-case.ts";
import { drained } from "../../guest/exec.ts";
import { encodeFrame, type Frame, framesOf, maxPayloadLength } from "../../guest/frames.ts";
import { socketName, type WorkspacePlace } from "../record/store.ts";
import {
  aliveIntervalMs,
  controlFrame,
  controlRequestSchema,
  controlVersion,
  type Verb,
  type VerbInput,
  type VerbOutput,
  verbs,
} from "./protocol.ts";

/** A supervisor that has said nothing for this long is taken for stuck */
const silenceMs = 6 * aliveIntervalMs;
const connectTimeoutMs = 10_000;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Frames to send after the request */
  readonly body?: AsyncIterable<Buffer> | undefined;
}

/** A connection to the supervisor of a workspace, or `undefined` when none listens. */
export async function connectSupervisor(place: WorkspacePlace): Promise<Socket | undefined> {
  let dir: Awaited<ReturnType<typeof open>>;
  try {
    dir = await open(place.dir, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    // A socket's path has at most 107 bytes; through the open folder any will do.
    return await connected(connect({ path: `/proc/self/fd/${dir.fd}/${socketName}` }));
  } catch (error) {
    if (["ENOENT", "ECONNREFUSED", "ECONNRESET", "EAGAIN"].includes(systemErrorCode(error) ?? "")) return undefined;
    throw error;
  } finally {
    await dir.close();
  }
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new PyroError("timeout", "the workspace's supervisor does not take connections"));
    }, connectTimeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      // From now on whoever reads gets the errors.
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** Makes one call on a fresh connection; yields the frames that come before its result, which it returns. */
export async function* callSupervisor<V extends Verb>(
  socket: Socket,
  verb: V,
  input: VerbInput<V>,
  options: CallOptions,
): AsyncGenerator<Frame, VerbOutput<V>> {
  const { signal } = options;
  const outgoing = new OutgoingCall(socket, verb, options);
  try {
    signal?.throwIfAborted();
    socket.write(requestFrame(verb, input));
    const waitingFor = "the workspace's supervisor";
    for await (const frame of notIdle(framesOf(socket), { timeoutMs: silenceMs, waitingFor, signal })) {
      if (frame.type === controlFrame.result) return fromWire(verbs[verb].output, parseJson(frame)) as VerbOutput<V>;
      if (!outgoing.takes(frame)) yield frame;
    }
    throw new Error("it ended the connection");
  } catch (error) {
    throw outgoing.explain(error);
  } finally {
    outgoing.close();
  }
}

/** What is known of a call while it goes on. */
class OutgoingCall {
  readonly #socket: Socket;
  readonly #verb: Verb;
  readonly #options: CallOptions;
  readonly #onAbort = () => this.#socket.destroy();
  #isAccepted = false;
  /** What went wrong on our side while we sent is a better answer than what the supervisor makes of it */
  #sendingFailure: unknown;

  constructor(socket: Socket, verb: Verb, options: CallOptions) {
    this.#socket = socket;
    this.#verb = verb;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Whether a frame was about the call itself. */
  takes(frame: Frame): boolean {
    if (frame.type === controlFrame.error) throw parseError(frame);
    if (frame.type === controlFrame.alive) return true;
    if (frame.type !== controlFrame.accepted) return false;
    this.#isAccepted = true;
    this.#socket.write(encodeFrame(controlFrame.confirm, Buffer.alloc(0)));
    if (this.#options.body) void this.#send(this.#options.body);
    return true;
  }

  explain(error: unknown): unknown {
    if (this.#options.signal?.aborted) return this.#cancelled(error);
    if (this.#sendingFailure !== undefined) return this.#sendingFailure;
    if (error instanceof PyroError && error.code !== "timeout") return error;
    return lost(this.#isAccepted && verbs[this.#verb].changes, error);
  }

  /** A supervisor that learns of it in time does not do it; a command or a tree under way is ended, which is what was wanted. */
  #cancelled(cause: unknown): PyroError {
    const { changes, endsWithCaller } = verbs[this.#verb];
    if (!this.#isAccepted || !changes || endsWithCaller) {
      return new PyroError("cancelled", "the operation was cancelled", { cause });
    }
    return new PyroError(
      "outcome_unknown",
      "the operation was cancelled while it was carried out, and may be completed",
      {
        hint: "Look at the workspace with `pyro workspace status`.",
        cause,
      },
    );
  }

  close(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#socket.destroy();
  }

  async #send(body: AsyncIterable<Buffer>): Promise<void> {
    try {
      for await (const frame of body) {
        if (this.#socket.destroyed) return;
        if (!this.#socket.write(frame)) await drained(this.#socket);
      }
    } catch (error) {
      this.#sendingFailure = error;
      this.#socket.destroy();
    }
  }
}

/** Makes a call that only has a result. */
export async function call<V extends Verb>(
  socket: Socket,
  verb: V,
  input: VerbInput<V>,
  options: CallOptions = {},
): Promise<VerbOutput<V>> {
  const frames = callSupervisor(socket, verb, input, options);
  for (;;) {
    const next = await frames.next();
    if (next.done) return next.value;
  }
}

function requestFrame<V extends Verb>(verb: V, input: VerbInput<V>): Buffer {
  const request = { version: controlVersion, verb, input: toWire(verbs[verb].input, input) };
  const payload = Buffer.from(JSON.stringify(toWire(controlRequestSchema, request)));
  if (payload.length <= maxPayloadLength) return encodeFrame(controlFrame.request, payload);
  throw new PyroError("invalid_argument", `cannot send a request of ${payload.length} bytes`, {
    hint: `Keep it below ${maxPayloadLength} bytes; write long texts to a file first.`,
  });
}

function parseJson({ payload }: Pick<Frame, "payload">): unknown {
  return JSON.parse(payload.toString("utf8"));
}

const errorPayloadSchema = z.object({
  code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
  hint: z.string().nullable(),
  details: z.record(z.string(), z.unknown()).optional(),
});

export function parseError(frame: Pick<Frame, "payload">): PyroError {
  const { code, message, hint, details } = errorPayloadSchema.parse(parseJson(frame));
  return new PyroError(code, message, { ...(hint === null ? {} : { hint }), ...(details ? { details } : {}) });
}

function lost(mayHaveRun: boolean, cause: unknown): PyroError {
  const reason = `lost the workspace's supervisor: ${messageOf(cause)}`;
  if (!mayHaveRun) return new PyroError("unavailable", `the operation did not happen: ${reason}`, { cause });
  return new PyroError("outcome_unknown", `the operation may have happened: ${reason}`, {
    hint: "Look at the workspace with `pyro workspace status` and `pyro workspace logs` before you repeat it.",
    cause,
  });
}
