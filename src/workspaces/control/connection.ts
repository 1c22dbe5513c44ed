import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { notIdle, throwIfCancelled } from "../../core/deadline.ts";
import { PyroError, systemErrorCode } from "../../core/errors.ts";
import { drained } from "../../guest/exec.ts";
import { type Frame, framesOf } from "../../guest/frames.ts";
import { socketName, type WorkspacePlace } from "../record/store.ts";
import { aliveIntervalMs, controlFrame, otherVersion, startLimitMs } from "./protocol.ts";

/** A supervisor that has said nothing for this long is taken for stuck */
export const silenceMs = 6 * aliveIntervalMs;
const connectTimeoutMs = 10_000;
export const supervisorName = "the workspace's supervisor";

/** A connection to the supervisor of a workspace, for one call. */
export class SupervisorConnection implements Disposable {
  readonly #socket: Socket;
  readonly #frames: AsyncGenerator<Frame>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#frames = framesOf(socket);
  }

  /**
   * Waits until the supervisor takes requests, which it does when its machine has started. `false`:
   * the supervisor has ended instead.
   */
  async isReady(signal?: AbortSignal): Promise<boolean> {
    const givesUpAt = performance.now() + startLimitMs;
    const onAbort = () => this.#socket.destroy();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      while (performance.now() < givesUpAt) {
        const { value, done } = await this.#next();
        throwIfCancelled(signal);
        if (done) return false;
        if (value.type === controlFrame.ready) return true;
        // An older supervisor refuses what it does not know, or waits for a request.
        if (value.type !== controlFrame.alive) throw otherVersion();
      }
      throw new PyroError("timeout", `${supervisorName} has not started its machine in ${startLimitMs / 1000} s`);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  drained(): Promise<void> {
    return drained(this.#socket);
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** The frames that the supervisor sends, until it closes the connection. */
  frames(): AsyncIterable<Frame> {
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#frames.next() }) };
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #next(): Promise<IteratorResult<Frame>> {
    try {
      for await (const frame of notIdle(this.frames(), { timeoutMs: silenceMs, waitingFor: supervisorName })) {
        return { value: frame, done: false };
      }
    } catch (error) {
      // A supervisor that was killed resets its connections.
      if (error instanceof PyroError && error.code === "timeout") throw error;
    }
    return { value: undefined, done: true };
  }
}

/** A connection to the supervisor of a workspace, or `undefined` if none listens. */
export async function connectSupervisor(place: WorkspacePlace): Promise<SupervisorConnection | undefined> {
  let dir: Awaited<ReturnType<typeof open>>;
  try {
    dir = await open(place.dir, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    // A socket's path has at most 107 bytes. Through the open folder any path fits.
    return new SupervisorConnection(await connected(connect({ path: `/proc/self/fd/${dir.fd}/${socketName}` })));
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
      reject(new PyroError("timeout", `${supervisorName} does not take connections`));
    }, connectTimeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      // From now on the reader of the frames gets the errors.
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
