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
  type Verb,
  type VerbInput,
  type VerbOutput,
  verbs,
} from "./protocol.ts";

const requestTimeoutMs = 10_000;
/** A caller closes its side when it has the answer */
const lastReadMs = 5_000;

/** One call as its handler sees it. */
export interface Call {
  /** Aborts when the caller has gone, or given up */
  readonly signal: AbortSignal;
  /** What the caller sends after its request */
  readonly frames: AsyncIterable<Frame>;
  /** Resolves when there is room for more, or nobody left who would take it */
  send(type: number, payload: Buffer): Promise<void>;
}

export type Handlers = {
  readonly [V in Verb]: (input: VerbInput<V>, call: Call) => Promise<VerbOutput<V>>;
};

/** Serves calls on the workspace's socket until closed; each connection is one call. */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #dirFd: number;
  readonly #calls = new Set<Promise<void>>();

  private constructor(server: Server, dirFd: number) {
    this.#server = server;
    this.#dirFd = dirFd;
  }

  static async listen(dir: string, handlers: Handlers): Promise<ControlServer> {
    // Nobody else listens: whoever does so holds the workspace's lock.
    await rm(join(dir, socketName), { force: true });
    const dirFd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    const server = createServer({ allowHalfOpen: false });
    const control = new ControlServer(server, dirFd);
    server.on("connection", (socket) => control.#track(serve(socket, handlers)));
    await new Promise<void>((resolve, reject) => {
      // Rejecting once is all it does: an error later costs a connection, which its caller notices.
      server.on("error", reject);
      // Through the open folder, because a socket's path has at most 107 bytes.
      server.listen(`/proc/self/fd/${dirFd}/${socketName}`, resolve);
    });
    return control;
  }

  /** Takes no more calls, and waits for the answers to those that are over. */
  async close(answersMs: number): Promise<void> {
    this.#server.close();
    const answered = Promise.all(this.#calls);
    await withDeadline(answered, { timeoutMs: answersMs, waitingFor: "calls to end" }).catch(() => {
      // Those that have not ended lose their connection with this process.
    });
    closeSync(this.#dirFd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  #track(call: Promise<void>): void {
    this.#calls.add(call);
    void call.finally(() => this.#calls.delete(call));
  }
}

/** Answers one call; never rejects. */
async function serve(socket: Socket, handlers: Handlers): Promise<void> {
  const gone = new AbortController();
  socket.on("error", () => {});
  socket.once("close", () => gone.abort(new PyroError("cancelled", "the caller has gone")));
  const write = async (type: number, payload: Buffer) => {
    if (!socket.destroyed && !socket.write(encodeFrame(type, payload))) await drained(socket);
  };
  const queue = new FrameQueue(socket);
  const alive = setInterval(() => {
    if (!socket.writableNeedDrain) void write(controlFrame.alive, Buffer.alloc(0));
  }, aliveIntervalMs);
  try {
    const frames = queue[Symbol.asyncIterator]();
    const request = parseRequest(await expectFrame(frames, controlFrame.request));
    void write(controlFrame.accepted, Buffer.alloc(0));
    // Whoever has given up waiting for us has been told that nothing happened.
    await expectFrame(frames, controlFrame.confirm);
    const result = await answer(request, handlers, { signal: gone.signal, frames, send: write });
    await write(controlFrame.result, Buffer.from(JSON.stringify(result)));
  } catch (error) {
    await write(controlFrame.error, Buffer.from(JSON.stringify(PyroError.from(error))));
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

interface Request {
  readonly verb: Verb;
  /** As the verb's schema has it */
  readonly input: unknown;
}

function parseRequest({ payload }: Frame): Request {
  const { version, verb, input } = fromWire(controlRequestSchema, JSON.parse(payload.toString("utf8")));
  if (version !== controlVersion || !Object.hasOwn(verbs, verb)) {
    throw new PyroError("failed_precondition", "this workspace was started by another version of pyro", {
      hint: "Run `pyro workspace stop` with that version, then `pyro workspace start` with this one.",
    });
  }
  const known = verb as Verb;
  return { verb: known, input: decode(verbs[known].input, input) };
}

async function answer<V extends Verb>(request: Request, handlers: Handlers, call: Call): Promise<unknown> {
  const verb = request.verb as V;
  // Verb, schema and handler come from the same row, which the type system cannot see through a union.
  const handle = handlers[verb] as (input: unknown, call: Call) => Promise<unknown>;
  return toWire(verbs[verb].output, await handle(request.input, call));
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
