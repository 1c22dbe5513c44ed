import * as z from "zod";
import { notIdle } from "../../core/deadline.ts";
import { type ErrorCode, errorCodes, fromWireNames, messageOf, PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { fromWire, toWire } from "../../core/wire-case.ts";
import { encodeFrame, type Frame, maxPayloadLength } from "../../guest/frames.ts";
import { type SupervisorConnection, silenceMs, supervisorName } from "./connection.ts";
import {
  controlFrame,
  controlRequestSchema,
  controlVersion,
  encodeData,
  type Verb,
  type VerbInput,
  type VerbOutput,
} from "./protocol.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes to send once the supervisor has accepted the request, in any pieces */
  readonly body?: AsyncIterable<Buffer> | undefined;
}

/** A call on its way: first its data, then its result. */
export class SupervisorCall<V extends Verb> implements AsyncIterable<Buffer>, Disposable {
  readonly #frames: AsyncGenerator<Frame, VerbOutput<V>>;
  readonly #connection: SupervisorConnection;
  #result: { readonly value: VerbOutput<V> } | undefined;

  constructor(connection: SupervisorConnection, verb: V, input: VerbInput<V>, options: CallOptions = {}) {
    this.#connection = connection;
    this.#frames = framesOfCall(connection, verb, input, options);
  }

  /**
   * The bytes that the supervisor hands on from the guest. A reader that stops early gives up the
   * call.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let isRead = false;
    try {
      for (let frame = await this.#next(); frame?.type === controlFrame.data; frame = await this.#next()) {
        yield frame.payload;
      }
      isRead = true;
    } finally {
      if (!isRead) this.close();
    }
  }

  /** Waits for the result; what is left of the data is skipped. */
  async result(): Promise<VerbOutput<V>> {
    while (!this.#result) await this.#next();
    return this.#result.value;
  }

  /** Gives up the call, unless it has its result. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #next(): Promise<Frame | undefined> {
    const next = await this.#frames.next();
    if (!next.done) return next.value;
    this.#result ??= { value: next.value };
    return undefined;
  }
}

/** Makes a call that only has a result, on a connection that is ready. */
export async function call<V extends Verb>(
  connection: SupervisorConnection,
  verb: V,
  input: VerbInput<V>,
  options: CallOptions = {},
): Promise<VerbOutput<V>> {
  return new SupervisorCall(connection, verb, input, options).result();
}

/** Makes one call. Yields the frames of its data, and returns its result. */
async function* framesOfCall<V extends Verb>(
  connection: SupervisorConnection,
  verb: V,
  input: VerbInput<V>,
  options: CallOptions,
): AsyncGenerator<Frame, VerbOutput<V>> {
  const { signal } = options;
  const outgoing = new OutgoingCall(connection, verb, options);
  try {
    signal?.throwIfAborted();
    connection.write(requestFrame(verb, input));
    const limits = { timeoutMs: silenceMs, waitingFor: supervisorName, signal };
    for await (const frame of notIdle(connection.frames(), limits)) {
      if (frame.type === controlFrame.result) return fromWire(verb.output, parseJson(frame)) as VerbOutput<V>;
      if (frame.type === controlFrame.data || frame.type === controlFrame.dataEnd) yield frame;
      else outgoing.hear(frame);
    }
    throw new Error("it ended the connection");
  } catch (error) {
    throw outgoing.explain(error);
  } finally {
    outgoing.close();
  }
}

/** State of a call that has not ended. */
class OutgoingCall {
  readonly #connection: SupervisorConnection;
  readonly #verb: Verb;
  readonly #options: CallOptions;
  readonly #onAbort = () => this.#connection.close();
  #isAccepted = false;
  /** A failure of the caller's own body is a better answer than what the supervisor makes of it */
  #bodyFailure: unknown;
  /** The supervisor's own word */
  #refusal: PyroError | undefined;

  constructor(connection: SupervisorConnection, verb: Verb, options: CallOptions) {
    this.#connection = connection;
    this.#verb = verb;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Takes a frame that is about the call itself. */
  hear(frame: Frame): void {
    if (frame.type === controlFrame.error) {
      this.#refusal = parseError(parseJson(frame));
      throw this.#refusal;
    }
    if (frame.type !== controlFrame.accepted) return;
    this.#isAccepted = true;
    this.#connection.write(encodeFrame(controlFrame.confirm, Buffer.alloc(0)));
    if (this.#options.body) void this.#send(this.#options.body);
  }

  explain(error: unknown): unknown {
    if (this.#options.signal?.aborted) return this.#cancelled(error);
    if (this.#bodyFailure !== undefined) return this.#bodyFailure;
    if (error === this.#refusal || (error instanceof PyroError && !isLoss(error))) return error;
    return lost(this.#isAccepted && this.#verb.changes, error);
  }

  close(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#connection.close();
  }

  /**
   * A supervisor that learns of it in time does nothing. If it has begun something that ends with
   * its caller, it ends that.
   */
  #cancelled(cause: unknown): PyroError {
    const { changes, endsWithCaller } = this.#verb;
    if (!this.#isAccepted || !changes || endsWithCaller) {
      return new PyroError("cancelled", "the operation was cancelled", { cause });
    }
    return new PyroError(
      "outcome_unknown",
      "the operation was cancelled while it was carried out, and may be completed",
      {
        hint: hint`Look at the workspace with ${named("workspace.status")}.`,
        cause,
      },
    );
  }

  async #send(body: AsyncIterable<Buffer>): Promise<void> {
    try {
      for await (const piece of body) {
        for (const frame of encodeData(piece)) {
          if (this.#connection.isClosed) return;
          if (!this.#connection.write(frame)) await this.#connection.drained();
        }
      }
      this.#connection.write(encodeFrame(controlFrame.dataEnd, Buffer.alloc(0)));
    } catch (error) {
      this.#bodyFailure = error;
      this.#connection.close();
    }
  }
}

function requestFrame<V extends Verb>(verb: V, input: VerbInput<V>): Buffer {
  const request = { version: controlVersion, verb: verb.name, input: toWire(verb.input, input) };
  const payload = Buffer.from(JSON.stringify(toWire(controlRequestSchema, request)));
  if (payload.length <= maxPayloadLength) return encodeFrame(controlFrame.request, payload);
  throw new PyroError("invalid_argument", `cannot send a request of ${payload.length} bytes`, {
    hint: `Keep it below ${maxPayloadLength} bytes; write long texts to a file first.`,
  });
}

function parseJson({ payload }: Frame): unknown {
  return JSON.parse(payload.toString("utf8"));
}

const hintSchema = z.array(
  z.union([
    z.string(),
    z.object({
      operation: z.string(),
      arguments: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
      as: z.enum(["imperative", "name"]),
    }),
  ]),
);

const errorPayloadSchema = z.object({
  code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
  hint: hintSchema.nullable(),
  details: z.record(z.string(), z.unknown()).optional(),
});

/** An error that a supervisor reports, as it was thrown there. */
export function parseError(json: unknown): PyroError {
  const { code, message, hint, details } = errorPayloadSchema.parse(json);
  return new PyroError(code, message, {
    hint: hint ?? undefined,
    ...(details ? { details: fromWireNames(details) } : {}),
  });
}

/**
 * Whether an error of ours only says that the connection has failed: silence, or an end in the
 * middle of a frame.
 */
function isLoss({ code }: PyroError): boolean {
  return code === "timeout" || code === "unavailable";
}

function lost(mayHaveRun: boolean, cause: unknown): PyroError {
  const reason = `lost ${supervisorName}: ${messageOf(cause)}`;
  if (!mayHaveRun) return new PyroError("unavailable", `the operation did not happen: ${reason}`, { cause });
  return new PyroError("outcome_unknown", `the operation may have happened: ${reason}`, {
    hint: hint`Look at the workspace with ${named("workspace.status")} and ${named("workspace.logs")} before you repeat it.`,
    cause,
  });
}
