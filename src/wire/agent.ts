import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type * as z from "zod";
import { withDeadline } from "../core/deadline.ts";
import { messageOf, PyroError } from "../core/errors.ts";
import { fromWire, toWire } from "../core/wire-case.ts";
import { type ExecOptions, runExec } from "./exec.ts";
import {
  agentErrorSchema,
  clockRequestSchema,
  type ExecEnding,
  type ExecSpec,
  type ForkRequest,
  forkAnswerSchema,
  forkRequestSchema,
  type GuestInfo,
  guestInfoSchema,
  protocolVersion,
} from "./messages.ts";

/** Answers take milliseconds; many emulated machines that start at once can make them wait for a processor. */
const requestTimeoutMs = 30_000;
const maxReplyLength = 1 << 20;
/** Large enough that a stream is not held back between two reads of the host's event loop. */
const streamWindowBytes = 1 << 20;
/** With the default of 16 KiB a pipe's content takes four frames. */
const maxFrameBytes = 256 * 1024;
const sessionWindowBytes = 8 << 20;

/** Typed calls to one guest agent over one connected stream; see agent/PROTOCOL.md. What the guest says is untrusted input. */
export class AgentClient implements AsyncDisposable {
  readonly #session: http2.ClientHttp2Session;
  #token: string | undefined;
  #failure: Error | undefined;

  constructor(stream: Duplex) {
    this.#session = http2.connect("http://guest", {
      createConnection: () => stream,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes, maxFrameSize: maxFrameBytes },
      // A guest may send headers no longer than the replies that we know.
      maxHeaderListPairs: 64,
    });
    this.#session.on("error", (error: Error) => {
      this.#failure ??= error;
    });
    this.#session.once("connect", () => {
      // The event can come after everything is over.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(sessionWindowBytes);
    });
  }

  /** Waits at most `timeoutMs` for the agent to answer; before the first answer it may still be booting. */
  async info(options: { timeoutMs?: number; signal?: AbortSignal | undefined } = {}): Promise<GuestInfo> {
    return this.#call({ method: "GET", path: "/v1/info", reply: guestInfoSchema, ...options });
  }

  /** Makes the agent wait for a new host: the next thing is to pause the machine. */
  async freeze(signal?: AbortSignal): Promise<void> {
    await this.#call({ method: "POST", path: "/v1/freeze", signal });
  }

  /** Gives this clone its identity, clock and randomness; answers with the guest's clock. */
  async fork(request: ForkRequest, signal?: AbortSignal): Promise<{ timeUnixMs: number }> {
    const body = toWire(forkRequestSchema, request);
    const answer = await this.#call({ method: "POST", path: "/v1/fork", body, reply: forkAnswerSchema, signal });
    this.#token = request.token;
    return answer;
  }

  /** Sets the guest's wall clock to the host's. */
  async setClock(signal?: AbortSignal): Promise<void> {
    const body = toWire(clockRequestSchema, { timeUnixNs: unixTimeNs() });
    await this.#call({ method: "POST", path: "/v1/clock", body, signal });
  }

  /**
   * Runs a command to its end. Rejects when it is unknown how it ended; a command that failed, or could not be started, is a result.
   * Aborting the signal kills the command's whole process tree.
   */
  async exec(spec: ExecSpec, options: ExecOptions): Promise<ExecEnding> {
    const stream = this.#request("POST", "/v1/exec", { "content-type": "application/vnd.pyro.exec" });
    return runExec(stream, spec, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  close(): void {
    this.#session.destroy();
  }

  async #call<S extends z.ZodType = z.ZodUndefined>(call: {
    method: "GET" | "POST";
    path: string;
    body?: unknown;
    reply?: S;
    timeoutMs?: number;
    signal?: AbortSignal | undefined;
  }): Promise<z.output<S>> {
    const stream = this.#request(call.method, call.path, { "content-type": "application/json" });
    stream.end(call.body === undefined ? undefined : JSON.stringify(call.body));
    try {
      const { status, body } = await withDeadline(readReply(stream), {
        timeoutMs: call.timeoutMs ?? requestTimeoutMs,
        waitingFor: `the guest agent to answer ${call.path}`,
        signal: call.signal,
      });
      if (status >= 400) throw agentRefusal(call.path, status, body);
      return parseReply(call.path, call.reply, body);
    } catch (error) {
      throw this.#explain(call.path, error);
    } finally {
      stream.destroy();
    }
  }

  #request(method: string, path: string, headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    if (this.#session.destroyed) throw this.#explain(path, this.#failure ?? new Error("the connection is closed"));
    const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    const stream = this.#session.request(
      { ":method": method, ":path": path, "pyro-protocol": protocolVersion, ...authorization, ...headers },
      { endStream: false },
    );
    // Whoever reads the stream gets its error; one that nobody reads any more must not end the process.
    stream.on("error", () => {});
    return stream;
  }

  #explain(path: string, error: unknown): PyroError {
    if (error instanceof PyroError) return error;
    const cause = this.#failure ?? error;
    return new PyroError("unavailable", `lost the guest agent during ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The present time as the protocol writes it. */
export function unixTimeNs(): string {
  return String(BigInt(Date.now()) * 1_000_000n);
}

async function readReply(stream: http2.ClientHttp2Stream): Promise<{ status: number; body: string }> {
  const status = new Promise<number>((resolve, reject) => {
    stream.once("response", (headers) => resolve(Number(headers[":status"])));
    stream.once("error", reject);
    stream.once("close", () => reject(new Error("the stream closed without an answer")));
  });
  status.catch(() => {
    // reported by the await below; reading the body can fail first
  });
  stream.setEncoding("utf8");
  let body = "";
  for await (const chunk of stream) {
    body += String(chunk);
    if (body.length > maxReplyLength) throw new PyroError("internal", "the guest agent's answer has no end");
  }
  return { status: await status, body };
}

function parseReply<S extends z.ZodType>(path: string, schema: S | undefined, body: string): z.output<S> {
  if (!schema) return undefined as z.output<S>;
  try {
    return fromWire(schema, JSON.parse(body));
  } catch (error) {
    throw new PyroError("internal", `the guest agent's answer to ${path} makes no sense: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function agentRefusal(path: string, status: number, body: string): PyroError {
  let reason = `status ${status}`;
  try {
    reason = fromWire(agentErrorSchema, JSON.parse(body)).error.message;
  } catch {
    // an agent that cannot even refuse properly is described by its status
  }
  if (status === 426) {
    return new PyroError("failed_precondition", `cannot talk to the guest agent: ${reason}`, {
      hint: "Run `pyro prepare --force` to rebuild the template with this version's agent.",
    });
  }
  return new PyroError("internal", `the guest agent refused ${path}: ${reason}`, { details: { status } });
}
