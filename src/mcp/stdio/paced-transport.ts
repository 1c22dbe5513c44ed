import { PassThrough, type Readable, type Writable } from "node:stream";
import type { JSONRPCMessage, JSONRPCRequest, Transport } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";

export interface PacedOptions {
  /** Limit for a message, in `bytes` */
  readonly maxMessageBytes: number;
  /** Limit for answers that the client has not read yet, above which requests wait, in `bytes` */
  readonly maxUnreadBytes?: number;
  /** Limit for requests that are being worked on, and for those that wait */
  readonly maxRequests?: number;
}

const usualUnreadBytes = 4 * 1024 * 1024;
const usualRequests = 256;

type RequestId = JSONRPCRequest["id"];

/**
 * The connection to a client, at the pace of that client: requests wait while it does not read its
 * answers, so memory stays bounded, and every answer arrives once it reads again. Input is read
 * ahead even then, because its end says that the client has gone.
 */
export class PacedTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage) => void) | undefined;

  readonly #stdin: Readable;
  readonly #input: PassThrough;
  readonly #output: Writable;
  readonly #inner: StdioServerTransport;
  readonly #maxUnreadBytes: number;
  readonly #maxRequests: number;
  /** Requests that are being worked on */
  readonly #open = new Set<RequestId>();
  #waiting: JSONRPCRequest[] = [];
  #isClosed = false;

  constructor(
    stdin: Readable,
    stdout: Writable,
    { maxMessageBytes, maxUnreadBytes = usualUnreadBytes, maxRequests = usualRequests }: PacedOptions,
  ) {
    this.#stdin = stdin;
    this.#input = new PassThrough({ highWaterMark: maxMessageBytes });
    this.#output = stdout;
    this.#inner = new StdioServerTransport(this.#input, stdout, { maxBufferSize: maxMessageBytes });
    this.#maxUnreadBytes = maxUnreadBytes;
    this.#maxRequests = maxRequests;
  }

  async start(): Promise<void> {
    this.#inner.onmessage = (message) => this.#take(message);
    this.#inner.onerror = (error) => this.onerror?.(error);
    this.#inner.onclose = () => {
      this.#isClosed = true;
      this.#waiting = [];
      this.onclose?.();
    };
    await this.#inner.start();
    this.#stdin.on("error", (error) => this.onerror?.(error));
    for (const event of ["end", "close"]) this.#stdin.once(event, () => this.#deliver());
    this.#stdin.pipe(this.#input);
    // The client may have gone before.
    if (this.#stdin.destroyed || this.#stdin.readableEnded) this.#input.end();
  }

  /** Resolves at once, because no caller does anything with the time until the client reads. */
  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#isClosed) throw new Error("the client has gone");
    this.#output.write(`${JSON.stringify(message)}\n`, () => this.#deliver());
    if (!("method" in message) && message.id !== undefined) this.#open.delete(message.id);
    this.#deliver();
  }

  async close(): Promise<void> {
    this.#stdin.unpipe(this.#input);
    this.#stdin.pause();
    await this.#inner.close();
  }

  /** Only requests wait. Cancellations and answers to the server's own questions free something. */
  #take(message: JSONRPCMessage): void {
    if ("method" in message && "id" in message) {
      this.#waiting.push(message);
    } else {
      const cancelled = cancelledId(message);
      if (cancelled !== undefined) {
        this.#open.delete(cancelled);
        this.#waiting = this.#waiting.filter(({ id }) => id !== cancelled);
      }
      this.onmessage?.(message);
    }
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#isClosed && this.#waiting.length > 0 && !this.#isFull()) {
      const request = this.#waiting.shift() as JSONRPCRequest;
      // A subscription is open for as long as the client likes.
      if (request.method !== "subscriptions/listen") this.#open.add(request.id);
      this.onmessage?.(request);
    }
    if (this.#isClosed) return;
    // A few are read although they must wait, because a cancellation may be behind them.
    if (this.#waiting.length < this.#maxRequests) this.#input.resume();
    else if (this.#stdin.readableEnded || this.#stdin.destroyed) void this.close();
    else this.#input.pause();
  }

  #isFull(): boolean {
    return this.#output.writableLength > this.#maxUnreadBytes || this.#open.size >= this.#maxRequests;
  }
}

function cancelledId(message: JSONRPCMessage): RequestId | undefined {
  if (!("method" in message) || message.method !== "notifications/cancelled") return undefined;
  return message.params?.["requestId"] as RequestId | undefined;
}
