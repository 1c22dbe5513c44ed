import { closeSync, constants, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import * as z from "zod";
import { withDeadline } from "../../core/deadline.ts";
import { messageOf, PyroError } from "../../core/errors.ts";
import { explainMismatch, fromWire, toWire } from "../../core/wire-case.ts";
import { drained } from "../../guest/exec.ts";
import { encodeFrame, type Frame } from "../../guest/frames.ts";
import { socketName } from "../record/store.ts";
import { FrameQueue } from "./frame-queue.ts";
import {
  aliveIntervalMs,
  controlFrame,
  controlRequestSchema,
  controlVersion,
  encodeData,
  errorData,
  otherVersion,
  type Redact,
  type Verb,
  type VerbInput,
  type VerbOutput,
  type Verbs,
} from "./protocol.ts";

const requestTimeoutMs = 10_000;
/** A caller closes its side when it has the answer */
const lastReadMs = 5_000;

/** One call as its handler sees it. */
export interface Call {
  /** Aborts when the caller has gone, or given up */
  readonly signal: AbortSignal;
  /** The bytes that the caller sends after its request */
  readonly body: AsyncIterable<Buffer>;
  /** Sends bytes to the caller. Resolves when there is room for more, or the caller has gone */
  send(bytes: Buffer): Promise<void>;
  /** Says that no more data follows, for a caller that must send something before the result */
  sendEnd(): Promise<void>;
}

export type Handlers<V extends Verbs> = {
  readonly [K in keyof V]: (input: VerbInput<V[K]>, call: Call) => Promise<VerbOutput<V[K]>>;
};

/** A verb with what the owner of the workspace does for it. */
export interface OwnedVerb {
  readonly verb: Verb;
  handle(input: unknown, call: Call): Promise<unknown>;
}

/** Pairs each verb of a noun with its handler. */
export function owned<V extends Verbs>(verbs: V, handlers: Handlers<V>): readonly OwnedVerb[] {
  return Object.entries(verbs).map(([name, verb]) => ({
    verb,
    // Verb and handler have the same name, which the type system cannot see through the entries.
    handle: handlers[name as keyof V] as OwnedVerb["handle"],
  }));
}

/** Hands the guest's bytes on as they come. The caller checks what is in them. */
export async function passOn(bytes: AsyncIterable<Buffer>, call: Call): Promise<Record<string, never>> {
  for await (const piece of bytes) await call.send(piece);
  return {};
}

/**
 * Takes connections on the workspace's socket, and calls on them once there are verbs. Each
 * connection is one call.
 */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #dirFd: number;
  readonly #calls = new Set<Promise<void>>();
  readonly #waiting = new Set<Socket>();
  readonly #verbs: Promise<ReadonlyMap<string, OwnedVerb>>;
  #resolveVerbs: (verbs: ReadonlyMap<string, OwnedVerb>) => void = () => {};
  #redact: Redact = (words) => words;

  private constructor(server: Server, dirFd: number) {
    this.#server = server;
    this.#dirFd = dirFd;
    this.#verbs = new Promise((resolve) => {
      this.#resolveVerbs = resolve;
    });
  }

  /** Listens at once, so that callers can wait for the start on a connection. */
  static async listen(dir: string): Promise<ControlServer> {
    // No other process listens: this one holds the workspace's lock.
    await rm(join(dir, socketName), { force: true });
    const dirFd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    const server = createServer({ allowHalfOpen: false });
    const control = new ControlServer(server, dirFd);
    server.on("connection", (socket) => control.#take(socket));
    await new Promise<void>((resolve, reject) => {
      // Rejecting once is all it does: a later error costs a connection, which its caller notices.
      server.on("error", reject);
      // Through the open folder, because a socket's path has at most 107 bytes.
      server.listen(`/proc/self/fd/${dirFd}/${socketName}`, resolve);
    });
    return control;
  }

  /** Begins to take calls, those that wait included. `redact` gets all words of errors. */
  serve(verbs: readonly OwnedVerb[], redact: Redact = (words) => words): void {
    this.#redact = redact;
    const byName = new Map(verbs.map((one) => [one.verb.name, one]));
    if (byName.size < verbs.length) throw new PyroError("internal", "two verbs of a workspace have the same name");
    this.#resolveVerbs(byName);
  }

  /** Takes no more calls, and waits for the answers to those that have ended. */
  async close(answersMs: number): Promise<void> {
    this.#server.close();
    // Callers that still wait for the start learn from this that there will be none.
    for (const socket of this.#waiting) socket.destroy();
    const answered = Promise.all(this.#calls);
    await withDeadline(answered, { timeoutMs: answersMs, waitingFor: "calls to end" }).catch(() => {
      // Calls that have not ended lose their connection with this process.
    });
    closeSync(this.#dirFd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  #take(socket: Socket): void {
    this.#waiting.add(socket);
    socket.once("close", () => this.#waiting.delete(socket));
    const verbs = this.#verbs.then((served) => {
      this.#waiting.delete(socket);
      return served;
    });
    const call = serveCall(socket, verbs, (error) => errorData(error, this.#redact));
    this.#calls.add(call);
    void call.finally(() => this.#calls.delete(call));
  }
}

/** Answers one call; never rejects. */
async function serveCall(
  socket: Socket,
  verbs: Promise<ReadonlyMap<string, OwnedVerb>>,
  asData: (error: unknown) => object,
): Promise<void> {
  const gone = new AbortController();
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  void closed.then(() => gone.abort(new PyroError("cancelled", "the caller has gone")));
  const write = async (frame: Buffer) => {
    if (!socket.destroyed && !socket.write(frame)) await drained(socket);
  };
  const say = (type: number, value?: unknown) =>
    write(encodeFrame(type, value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value))));
  const queue = new FrameQueue(socket);
  const alive = setInterval(() => {
    if (!socket.writableNeedDrain) void say(controlFrame.alive);
  }, aliveIntervalMs);
  try {
    const served = await Promise.race([verbs, closed]);
    if (!served) return;
    void say(controlFrame.ready);
    const frames = queue[Symbol.asyncIterator]();
    const { owner, input } = parseRequest(await expectFrame(frames, controlFrame.request), served);
    void say(controlFrame.accepted);
    // A caller that has given up by now has been told that nothing happened.
    await expectFrame(frames, controlFrame.confirm);
    // All of it at once: what a handler no longer waits for must not come after its result.
    const send = async (bytes: Buffer) => {
      await Promise.all([...encodeData(bytes)].map(write));
    };
    const sendEnd = () => say(controlFrame.dataEnd);
    const result = await owner.handle(input, { signal: gone.signal, body: bodyOf(frames), send, sendEnd });
    await say(controlFrame.result, toWire(owner.verb.output, result));
  } catch (error) {
    await say(controlFrame.error, asData(error));
  } finally {
    clearInterval(alive);
    queue.discard();
    await flushed(socket);
  }
}

async function expectFrame(frames: AsyncGenerator<Frame>, type: number): Promise<Frame> {
  const { value, done } = await withDeadline(frames.next(), { timeoutMs: requestTimeoutMs, waitingFor: "a request" });
  if (!done && value.type === type) return value;
  throw new PyroError("invalid_argument", "this is not a request");
}

async function* bodyOf(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  for await (const { type, payload } of frames) {
    if (type === controlFrame.dataEnd) return;
    if (type !== controlFrame.data) throw new PyroError("invalid_argument", "this is no part of a call");
    yield payload;
  }
}

interface Request {
  readonly owner: OwnedVerb;
  /** In the form of the verb's schema */
  readonly input: unknown;
}

function parseRequest({ payload }: Frame, verbs: ReadonlyMap<string, OwnedVerb>): Request {
  const { version, verb, input } = fromWire(controlRequestSchema, JSON.parse(payload.toString("utf8")));
  const owner = verbs.get(verb);
  if (version !== controlVersion || !owner) throw otherVersion();
  return { owner, input: decode(owner.verb.input, input) };
}

function decode(schema: Parameters<typeof fromWire>[0], input: unknown): unknown {
  try {
    return fromWire(schema, input);
  } catch (error) {
    const reason = error instanceof z.ZodError ? explainMismatch(error) : messageOf(error);
    throw new PyroError("invalid_argument", reason, { cause: error });
  }
}

function flushed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    // Closing with something unread would cost a caller who still sends the answer.
    const timer = setTimeout(() => socket.destroy(), lastReadMs);
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.end();
  });
}
