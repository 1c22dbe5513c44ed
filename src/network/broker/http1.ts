import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type OutgoingMessage,
  ServerResponse,
  request as startRequest,
} from "node:http";
import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream";
import type { TLSSocket } from "node:tls";
import { SerialQueue } from "../../core/async.ts";
import { messageOf, systemErrorCode } from "../../core/errors.ts";
import type { Admission, Conversation, Refusal } from "./conversation.ts";
import { endToEnd, fieldsOf, membersOf, rawFields, valuesOf, without } from "./fields.ts";
import type { Field, FilledIn } from "./fill-in.ts";

/** As much as is read of the first head of a connection */
const maxHeadBytes = 64 * 1024;
/** Limit for a connection without a request under way, and for the head of its next one */
const idleMs = 120_000;
/** Methods to which Node gives no body by itself */
const bodiless: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);
const badRequest = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/** Gives the one connection with the server to one request after another. */
class OneConnection extends Agent {
  #socket: TLSSocket | undefined;

  constructor(socket: TLSSocket) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
    this.#socket = socket;
  }

  override createConnection(
    _options: unknown,
    done: (error: Error | null, socket?: Duplex) => void,
  ): Duplex | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) done(new Error("the server has closed the connection"));
    return socket;
  }
}

/**
 * Carries the requests of one connection in HTTP/1. Node reads each message and writes it anew, so
 * both sides agree on where it ends. `outside` is undefined if the server cannot be asked.
 */
export class Http1Relay {
  readonly #guest: TLSSocket;
  readonly #agent: Agent | undefined;
  readonly #conversation: Conversation;
  /** Requests that a client sends at once keep their order */
  readonly #turns = new SerialQueue();
  readonly #idle: NodeJS.Timeout;
  #open = 0;
  #isLast = false;

  constructor(guest: TLSSocket, outside: TLSSocket | undefined, conversation: Conversation) {
    this.#guest = guest;
    this.#agent = outside && new OneConnection(outside);
    this.#conversation = conversation;
    this.#idle = setTimeout(() => this.#endIfIdle(), idleMs);
    guest.once("close", () => {
      clearTimeout(this.#idle);
      outside?.destroy();
    });
    outside?.once("close", () => {
      this.#isLast = true;
      this.#endIfIdle();
    });
    this.#serve();
  }

  #serve(): void {
    const server = createServer({
      maxHeaderSize: maxHeadBytes,
      // A head without a host is denied, and that is told.
      requireHostHeader: false,
      insecureHTTPParser: false,
      keepAliveTimeout: 0,
      requestTimeout: 0,
    });
    server.maxHeadersCount = 0;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => void this.#exchange(request, response);
    server.on("request", onRequest);
    // The server outside decides whether the body is wanted.
    server.on("checkContinue", onRequest);
    server.on("checkExpectation", onRequest);
    server.on("upgrade", (request, socket, head) => {
      this.#upgrade(request, socket, head).catch(() => socket.destroy());
    });
    server.on("connect", (request, socket) => {
      this.#answer(responseOn(socket, request), this.#conversation.deny("CONNECT is for proxies"));
    });
    server.on("clientError", (error, socket) => {
      // Other codes are of the connection, not of its parser.
      const isParsers = systemErrorCode(error)?.startsWith("HPE_") ?? false;
      if (isParsers && this.#conversation.requestCount === 0)
        this.#conversation.deny("what the client says is not HTTP");
      if (socket.writable) socket.end(badRequest);
      else socket.destroy();
    });
    server.emit("connection", this.#guest);
  }

  #begin(response: ServerResponse): void {
    this.#open += 1;
    response.once("close", () => {
      this.#open -= 1;
      this.#idle.refresh();
      if (this.#isLast) this.#endIfIdle();
    });
  }

  #endIfIdle(): void {
    if (this.#open === 0) this.#guest.destroySoon();
    else this.#idle.refresh();
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#begin(response);
    const turn = this.#turns.run(async () => {
      const admission = await this.#admit(request);
      if (response.destroyed) return;
      if ("status" in admission) return this.#answer(response, admission);
      const sent = this.#send(request, withBody(request, admission.fields), admission.target);
      passBody(request, sent);
      this.#passAnswer(sent, response);
    });
    // What Node refuses to write is nothing that it has read as a message.
    await turn.catch(() => response.destroy());
  }

  async #admit(request: IncomingMessage): Promise<Admission> {
    const fields = fieldsOf(request.rawHeaders);
    const target = request.url ?? "";
    if (!target.startsWith("/") && target !== "*") return this.#conversation.deny("the request is one for a proxy");
    const codings = membersOf(fields, "transfer-encoding");
    if (codings.some((coding) => coding !== "chunked"))
      return { status: 501, reason: "its transfer coding is unknown" };
    return this.#conversation.admit({ fields, target }, valuesOf(fields, "host"));
  }

  #send({ method }: IncomingMessage, fields: readonly Field[], path: string): ClientRequest {
    return startRequest({ agent: this.#agent, method, path, headers: rawFields(fields), setHost: false });
  }

  #passAnswer(sent: ClientRequest, response: ServerResponse): void {
    sent.on("continue", () => {
      if (!response.headersSent && !response.destroyed) response.writeContinue();
    });
    sent.on("information", ({ statusCode, rawHeaders }) => {
      if (statusCode === 103) writeHints(response, valuesOf(fieldsOf(rawHeaders), "link"));
    });
    sent.once("response", (answer) => {
      try {
        this.#passResponse(answer, response);
      } catch (error) {
        // Node reads some answers that it does not write, such as one with a status below 100.
        sent.destroy();
        this.#fail(sent, response, error instanceof Error ? error : new Error(messageOf(error)));
      }
    });
    sent.once("error", (error) => this.#fail(sent, response, error));
    response.once("close", () => {
      if (!response.writableFinished) sent.destroy();
    });
  }

  #passResponse(answer: IncomingMessage, response: ServerResponse): void {
    const { echoes } = this.#conversation;
    const { statusCode = 502, statusMessage = "" } = answer;
    const received = fieldsOf(answer.rawHeaders);
    const isLast = answer.httpVersion === "1.0" || membersOf(received, "connection").includes("close");
    const hasBody = response.req.method !== "HEAD" && statusCode !== 204 && statusCode !== 304;
    const filter = hasBody ? echoes.filterFor(received) : undefined;
    const passed = echoes.shownFields(endToEnd(received));
    const fields = filter && !filter.keepsLength ? without(passed, "content-length") : passed;
    response.sendDate = false;
    response.writeHead(statusCode, statusMessage, rawFields(isLast ? [...fields, ["Connection", "close"]] : fields));
    const body: Readable = filter ? answer.pipe(filter) : answer;
    if (filter) answer.once("close", () => answer.complete || filter.destroy(new Error("the answer is cut off")));
    body.once("end", () => {
      addTrailers(response, echoes.shownFields(fieldsOf(answer.rawTrailers)));
    });
    // What it does on failure is to reset the guest's connection, which has a part of the answer.
    pipeline(body, response, () => {});
  }

  #fail(sent: ClientRequest, response: ServerResponse, error: Error): void {
    if (response.headersSent || response.destroyed) {
      if (!response.writableEnded) response.destroy();
      return;
    }
    // A client sends again by itself what met the end of a connection that it had used before.
    if (sent.reusedSocket && systemErrorCode(error) === "ECONNRESET") return void response.destroy();
    this.#isLast = true;
    this.#answer(response, { status: 502, reason: messageOf(error) });
  }

  #answer(response: ServerResponse, refusal: Refusal): void {
    const { fields, body } = this.#conversation.answerTo(refusal);
    response.sendDate = false;
    response.writeHead(refusal.status, rawFields([...fields, ["connection", "close"]]));
    response.end(body);
  }

  /** After a server has changed the protocol, its bytes and the guest's pass as they are. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const response = responseOn(socket, request);
    this.#begin(response);
    const received = fieldsOf(request.rawHeaders);
    const hasBody = ["content-length", "transfer-encoding"].some((name) => valuesOf(received, name).length > 0);
    const admission: Admission = hasBody
      ? { status: 400, reason: "a request to change the protocol has no body" }
      : await this.#turns.run(() => this.#admit(request));
    if (response.destroyed || socket.destroyed) return;
    if ("status" in admission) return this.#answer(response, admission);
    const upgrade = changeTo(valuesOf(received, "upgrade"));
    const sent = this.#send(request, [...endToEnd(admission.fields), ...upgrade], admission.target);
    this.#passAnswer(sent, response);
    sent.once("upgrade", (answer, outside, outsideHead) => {
      const fields = fieldsOf(answer.rawHeaders);
      const shown = this.#conversation.echoes.shownFields(endToEnd(fields));
      response.sendDate = false;
      response.writeHead(101, answer.statusMessage, rawFields([...shown, ...changeTo(valuesOf(fields, "upgrade"))]));
      response.flushHeaders();
      response.detachSocket(socket as TLSSocket);
      if (outsideHead.length > 0) outside.unshift(outsideHead);
      if (head.length > 0) socket.unshift(head);
      // It is never idle, however long it is quiet.
      this.#open += 1;
      outside.once("close", () => socket.end());
      outside.pipe(socket).pipe(outside);
    });
    sent.end();
  }
}

/** Request and answer share a connection whose reader Node has let go. */
function responseOn(socket: Duplex, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(socket as TLSSocket);
  response.shouldKeepAlive = false;
  socket.on("error", () => {});
  response.once("finish", () => {
    if (response.statusCode !== 101) socket.end();
  });
  return response;
}

function changeTo(protocols: readonly string[]): readonly Field[] {
  return [["Connection", "Upgrade"], ...protocols.map((protocol): Field => ["Upgrade", protocol])];
}

/** Fields of a request with the framing that it came with. */
function withBody({ method = "", headers }: IncomingMessage, received: FilledIn["fields"]): readonly Field[] {
  const fields = [...endToEnd(received)];
  if (membersOf(received, "te").includes("trailers")) fields.push(["TE", "trailers"], ["Connection", "keep-alive, TE"]);
  if (headers["transfer-encoding"] !== undefined) fields.push(["Transfer-Encoding", "chunked"]);
  else if (headers["content-length"] === undefined && !bodiless.has(method)) fields.push(["Content-Length", "0"]);
  return fields;
}

function passBody(request: IncomingMessage, sent: ClientRequest): void {
  request.once("end", () => {
    addTrailers(sent, fieldsOf(request.rawTrailers));
  });
  request.pipe(sent);
  // A server may have enough of a body before its end. The rest is not for it.
  sent.once("close", () => {
    request.unpipe(sent);
    request.resume();
  });
}

function addTrailers(message: OutgoingMessage, trailers: readonly Field[]): void {
  if (trailers.length > 0 && !message.destroyed) message.addTrailers(trailers);
}

function writeHints(response: ServerResponse, links: readonly string[]): void {
  try {
    response.writeEarlyHints({ link: [...links] });
  } catch {
    // Node takes no other forms of a link. A hint can be left out.
  }
}
