import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type * as z from "zod";
import { notIdle, withDeadline } from "../core/deadline.ts";
import { messageOf, PyroError } from "../core/errors.ts";
import { toWire } from "../core/wire-case.ts";
import { type AnnouncementListener, listenToAnnouncements } from "./announcements.ts";
import { GuestConnection } from "./connection.ts";
import { drained, type ExecOptions, runExec } from "./exec.ts";
import { framesOf } from "./frames.ts";
import { type CopyProgress, deviceRequestSchema, readCopy } from "./inspection.ts";
import {
  type CommandState,
  clockRequestSchema,
  commandStateRequestSchema,
  commandStateSchema,
  type ExecEnding,
  type ExecSpec,
  type ForkRequest,
  forkAnswerSchema,
  forkRequestSchema,
  type GuestInfo,
  guestInfoSchema,
  protocolVersion,
  signalAnswerSchema,
  signalRequestSchema,
  type TerminalSize,
  type TerminalState,
  terminalResizeSchema,
  terminalStateSchema,
} from "./messages.ts";
import { agentRefusal, bodyOf, parseReply, readReply, statusOf } from "./reply.ts";
import {
  type TreeReadRequest,
  type TreeWriteAnswer,
  treeChangesSchema,
  treeReadSchema,
  treeWriteAnswerSchema,
} from "./tree/messages.ts";

/**
 * Answers take milliseconds. Many emulated machines that start at once can make them wait for a
 * processor
 */
const requestTimeoutMs = 30_000;
/**
 * Limit for a guest's silence while it reads or writes a tree, which it may have to sync before it
 * answers
 */
const treeIdleMs = 120_000;
const treeContentType = "application/vnd.pyro.tree";
/** Large enough that a stream does not wait between two turns of the host's event loop */
const streamWindowBytes = 1 << 20;
/** With the default of 16 KiB the content of a pipe takes four frames */
const maxFrameBytes = 256 * 1024;
const sessionWindowBytes = 8 << 20;

/**
 * Typed calls to one guest agent over one connected stream, as agent/PROTOCOL.md has them.
 * Everything a guest says is untrusted input.
 */
export class AgentClient implements AsyncDisposable {
  readonly #session: http2.ClientHttp2Session;
  #token: string | undefined;
  #failure: Error | undefined;

  constructor(stream: Duplex) {
    this.#session = http2.connect("http://guest", {
      createConnection: () => stream,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes, maxFrameSize: maxFrameBytes },
      // No reply of the protocol has more headers.
      maxHeaderListPairs: 64,
    });
    this.#session.on("error", (error: Error) => {
      this.#failure ??= error;
    });
    this.#session.once("connect", () => {
      // The event can come after the session has been destroyed.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(sessionWindowBytes);
    });
  }

  /**
   * Waits at most `timeoutMs` for the agent to answer. Before its first answer the guest may still
   * boot.
   */
  async info(options: { timeoutMs?: number; signal?: AbortSignal | undefined } = {}): Promise<GuestInfo> {
    return this.#call({ method: "GET", path: "/v1/info", reply: guestInfoSchema, ...options });
  }

  /** Makes the agent wait for a new host. The caller pauses the machine next. */
  async freeze(signal?: AbortSignal): Promise<void> {
    await this.#call({ method: "POST", path: "/v1/freeze", signal });
  }

  /** Gives this fork its identity, clock and randomness. Answers with the guest's clock. */
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
   * Runs a command to its end. Rejects if its end is unknown. A command that fails, or cannot be
   * started, is a result. Aborting the signal kills the command's whole process tree.
   */
  async exec(spec: ExecSpec, options: ExecOptions): Promise<ExecEnding> {
    const stream = this.#request("POST", "/v1/exec", { "content-type": "application/vnd.pyro.exec" });
    return runExec(stream, spec, options);
  }

  /** What the running command of a label does at this moment. */
  async commandState(label: string, signal?: AbortSignal): Promise<CommandState> {
    const body = toWire(commandStateRequestSchema, { label });
    return this.#call({ method: "POST", path: "/v1/command", body, reply: commandStateSchema, signal });
  }

  /** Sends a signal to a running command. Answers with the process group; 0 for all of it. */
  async signal(request: z.input<typeof signalRequestSchema>, signal?: AbortSignal): Promise<{ group: number }> {
    const body = toWire(signalRequestSchema, request);
    return this.#call({ method: "POST", path: "/v1/command/signal", body, reply: signalAnswerSchema, signal });
  }

  /** What happens at the terminal of a running command. */
  async terminalState(label: string, signal?: AbortSignal): Promise<TerminalState> {
    const body = toWire(commandStateRequestSchema, { label });
    return this.#call({ method: "POST", path: "/v1/command/terminal", body, reply: terminalStateSchema, signal });
  }

  async resizeTerminal(label: string, size: TerminalSize, signal?: AbortSignal): Promise<void> {
    const body = toWire(terminalResizeSchema, { label, ...size });
    await this.#call({ method: "POST", path: "/v1/command/terminal/size", body, signal });
  }

  /**
   * Entries of the workspace's tree, with as much of their content as asked for: bytes for
   * `decodeTree`.
   */
  readTree(request: TreeReadRequest, signal?: AbortSignal): AsyncGenerator<Buffer> {
    return this.#treeBytes("/v1/tree/read", toWire(treeReadSchema, request), signal);
  }

  /**
   * Reads the differences between the workspace and its first tree, as bytes for `decodeChanges`.
   */
  treeChanges(request: { contentLimit: number }, signal?: AbortSignal): AsyncGenerator<Buffer> {
    return this.#treeBytes("/v1/tree/changes", toWire(treeChangesSchema, request), signal);
  }

  /**
   * Writes a tree into the workspace, all of it or nothing, and into its baseline too if that is
   * the target. `bytes` are those of `encodeTree`, in any pieces.
   */
  async writeTree(
    bytes: AsyncIterable<Buffer>,
    { target = "write", signal }: { target?: "write" | "baseline"; signal?: AbortSignal | undefined } = {},
  ): Promise<TreeWriteAnswer> {
    const path = `/v1/tree/${target}`;
    const stream = this.#request("POST", path, { "content-type": treeContentType });
    const reply = readReply(stream);
    const sent = sendBytes(stream, bytes);
    const onAbort = () => stream.destroy();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      // The guest may answer before it has read everything.
      await Promise.race([sent, reply]);
      const waitingFor = "the guest to write what it was sent";
      const { status, body } = await withDeadline(reply, { timeoutMs: treeIdleMs, waitingFor, signal });
      if (status >= 400) throw agentRefusal(path, status, body);
      return parseReply(path, treeWriteAnswerSchema, body);
    } catch (error) {
      throw asUnknownOutcome(path, this.#explain(path, error));
    } finally {
      signal?.removeEventListener("abort", onAbort);
      stream.destroy();
      sent.catch(() => {
        // The reply decides.
      });
    }
  }

  /** Completes the workspace's disk and holds back every write to it, for ten seconds at most. */
  async freezeWorkspace(signal?: AbortSignal): Promise<void> {
    await this.#call({ method: "POST", path: "/v1/workspace/freeze", signal });
  }

  /** Ends a freeze. Fails if the guest has ended it by itself before. */
  async thawWorkspace(): Promise<void> {
    await this.#call({ method: "POST", path: "/v1/workspace/thaw" }).catch((error: unknown) => {
      throw asUnknownOutcome("/v1/workspace/thaw", error);
    });
  }

  /** Mounts the root disk of a stopped machine, to be read with `inspected`. */
  async inspect(device: string, signal?: AbortSignal): Promise<void> {
    const body = toWire(deviceRequestSchema, { device });
    await this.#call({ method: "POST", path: "/v1/inspection", body, signal });
  }

  /**
   * Copies the inspected root, with the workspace in it, into the empty ext4 file system of a
   * device.
   */
  exportInspected(
    device: string,
    onProgress: (copied: CopyProgress) => void,
    signal?: AbortSignal,
  ): Promise<CopyProgress> {
    const bytes = this.#treeBytes("/v1/inspection/export", toWire(deviceRequestSchema, { device }), signal);
    return readCopy(framesOf(bytes), onProgress);
  }

  /**
   * Passes what the guest's processes want to reach to the listener, until the signal aborts or the
   * guest is gone.
   */
  async listenToNetwork(listener: AnnouncementListener, signal: AbortSignal): Promise<void> {
    const stream = this.#request("POST", "/v1/network", {});
    const end = () => stream.end();
    signal.addEventListener("abort", end, { once: true });
    try {
      const status = await statusOf(stream);
      if (status >= 400) throw agentRefusal("/v1/network", status, await bodyOf(stream));
      await listenToAnnouncements(stream, listener);
    } catch (error) {
      if (!signal.aborted) throw this.#explain("/v1/network", error);
    } finally {
      signal.removeEventListener("abort", end);
      stream.destroy();
    }
  }

  /** Takes a connection that the guest announced. */
  takeConnection(id: number): GuestConnection {
    return new GuestConnection(this.#request("POST", `/v1/network/connections/${id}`, {}));
  }

  /** Connects to a port on which a server in the guest listens. */
  connectToPort(port: number): GuestConnection {
    return new GuestConnection(this.#request("POST", `/v1/network/ports/${port}`, {}));
  }

  /** Ends all processes, writes everything to the disks and switches the machine off. */
  async powerOff(signal?: AbortSignal): Promise<void> {
    await this.#call({ method: "POST", path: "/v1/poweroff", signal });
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

  async *#treeBytes(path: string, request: unknown, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    const stream = this.#request("POST", path, { "content-type": "application/json" });
    stream.end(JSON.stringify(request));
    try {
      const status = await withDeadline(statusOf(stream), {
        timeoutMs: treeIdleMs,
        signal,
        waitingFor: `the guest agent to answer ${path}`,
      });
      if (status >= 400) {
        const waitingFor = `the guest agent to explain why it refused ${path}`;
        const body = await withDeadline(bodyOf(stream), { timeoutMs: requestTimeoutMs, waitingFor, signal });
        throw agentRefusal(path, status, body);
      }
      const chunks: AsyncIterable<Buffer> = stream;
      yield* notIdle(chunks, { timeoutMs: treeIdleMs, waitingFor: "the guest's files", signal });
    } catch (error) {
      throw this.#explain(path, error);
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
    // A reader of the stream gets its error. Without a reader it must not end the process.
    stream.on("error", () => {});
    return stream;
  }

  #explain(path: string, error: unknown): PyroError {
    if (error instanceof PyroError) return error;
    const cause = this.#failure ?? error;
    return new PyroError("unavailable", `lost the guest agent during ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** A call that changes something may have been carried out if its answer is lost. */
function asUnknownOutcome(path: string, error: unknown): unknown {
  if (!(error instanceof PyroError) || (error.code !== "unavailable" && error.code !== "timeout")) return error;
  return new PyroError("outcome_unknown", `it may have happened: ${error.message}`, {
    hint: "Look at the workspace's files before you repeat it.",
    details: { path },
    cause: error,
  });
}

/** The present time as the protocol writes it. */
export function unixTimeNs(): string {
  return String(BigInt(Date.now()) * 1_000_000n);
}

/** Sends at the pace of the guest. */
async function sendBytes(stream: http2.ClientHttp2Stream, bytes: AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of bytes) {
    if (stream.destroyed || stream.writableEnded) return;
    if (stream.write(piece)) continue;
    await withDeadline(drained(stream), { timeoutMs: treeIdleMs, waitingFor: "the guest to take what it is sent" });
  }
  stream.end();
}
