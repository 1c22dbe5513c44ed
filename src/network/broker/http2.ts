import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  sensitiveHeaders,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Conversation, Refusal } from "./conversation.ts";
import type { Field } from "./fill-in.ts";

/** What either side may send on one stream, and on all of a connection, before it is passed on */
const streamWindowBytes = 256 * 1024;
const connectionWindowBytes = 4 * 1024 * 1024;
const maxStreams = 100;
const maxHeadBytes = 64 * 1024;
const settings = { initialWindowSize: streamWindowBytes, maxHeaderListSize: maxHeadBytes };

/** Carries the requests of one connection in HTTP/2, each stream as one of the server's. */
export class Http2Relay {
  readonly #guest: ServerHttp2Session;
  readonly #outside: ClientHttp2Session | undefined;
  readonly #conversation: Conversation;

  constructor(guest: TLSSocket, outside: TLSSocket | undefined, conversation: Conversation) {
    this.#conversation = conversation;
    this.#outside = outside && openOutside(outside);
    this.#guest = performServerHandshake(guest, { settings: { ...settings, maxConcurrentStreams: maxStreams } });
    this.#guest.setLocalWindowSize(connectionWindowBytes);
    this.#guest.on("stream", (stream, headers, flags) => {
      this.#exchange(stream, headers, hasEnded(flags)).catch(() => giveUp(stream));
    });
    this.#guest.on("error", () => {
      // It closes next.
    });
    this.#link();
  }

  #link(): void {
    const guest = this.#guest;
    const outside = this.#outside;
    guest.once("close", () => outside?.destroy());
    outside?.on("remoteSettings", ({ maxConcurrentStreams = maxStreams }) => {
      if (!guest.destroyed) guest.settings({ maxConcurrentStreams: Math.min(maxStreams, maxConcurrentStreams) });
    });
    // Streams that are open go on to their end.
    outside?.once("goaway", () => !guest.destroyed && guest.close());
    outside?.once("close", () => !guest.destroyed && guest.close());
  }

  async #exchange(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, isWhole: boolean): Promise<void> {
    // A stream's error comes with its close.
    stream.on("error", () => {});
    const { ":authority": authority, ":path": path = "", ":method": method, host } = headers;
    const fields = fieldsOf(headers);
    const authorities = [...new Set([authority, host].filter((name) => name !== undefined))];
    const admission =
      method === "CONNECT"
        ? this.#conversation.deny("CONNECT is for proxies")
        : await this.#conversation.admit({ fields, target: path }, authorities);
    if (stream.closed) return;
    if ("status" in admission) return this.#answer(stream, admission);
    const outside = this.#outside;
    if (!outside || outside.destroyed || outside.closed) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    const sent = outside.request(
      {
        ...pseudoOf(headers),
        ":path": admission.target,
        ...headersOf(admission.fields),
        [sensitiveHeaders]: [...sensitiveOf(headers), ...admission.sensitive],
      },
      { endStream: isWhole, waitForTrailers: !isWhole },
    );
    passRequestBody(stream, sent, isWhole);
    this.#passAnswer(sent, stream);
  }

  #passAnswer(sent: ClientHttp2Stream, stream: ServerHttp2Stream): void {
    const { echoes } = this.#conversation;
    const shown = (headers: IncomingHttpHeaders) => headersOf(echoes.shownFields(fieldsOf(headers)));
    let trailers: OutgoingHttpHeaders = {};
    // Answers before the answer, such as 100 and 103.
    sent.on("headers", (headers) => {
      if (stream.headersSent || stream.closed) return;
      attempt(stream, () => stream.additionalHeaders({ ":status": headers[":status"], ...shown(headers) }));
    });
    sent.on("trailers", (headers) => {
      trailers = shown(headers);
    });
    sent.once("response", (headers, flags) => {
      if (stream.closed) return;
      const isWhole = hasEnded(flags);
      const fields = fieldsOf(headers);
      const filter = isWhole ? undefined : echoes.filterFor(fields);
      const answer: OutgoingHttpHeaders = { ":status": headers[":status"], ...shown(headers) };
      if (filter && !filter.keepsLength) delete answer["content-length"];
      attempt(stream, () => stream.respond(answer, { endStream: isWhole, waitForTrailers: !isWhole }));
      if (isWhole || stream.closed) return;
      stream.once("wantTrailers", () => attempt(stream, () => stream.sendTrailers(trailers)));
      (filter ? sent.pipe(filter) : sent).pipe(stream);
    });
    sent.once("error", () => {
      // Its code is told when it closes.
    });
    sent.once("close", () => this.#endWith(sent, stream));
    stream.once("close", () => {
      // Node gives up a stream without a word if its other end has only been cancelled.
      if (!sent.destroyed) sent.close(stream.rstCode || constants.NGHTTP2_CANCEL);
    });
  }

  /** The guest's stream ends as the server's has ended. */
  #endWith({ rstCode, destroyed, readableEnded }: ClientHttp2Stream, stream: ServerHttp2Stream): void {
    const isGood = rstCode === constants.NGHTTP2_NO_ERROR && destroyed && readableEnded;
    if (stream.closed || (isGood && stream.headersSent)) return;
    const isLost = this.#outside?.closed ?? true;
    if (!stream.headersSent && isLost) {
      return this.#answer(stream, { status: 502, reason: "the server has closed the connection" });
    }
    stream.close(rstCode || constants.NGHTTP2_INTERNAL_ERROR);
  }

  #answer(stream: ServerHttp2Stream, refusal: Refusal): void {
    const { fields, body } = this.#conversation.answerTo(refusal);
    if (stream.closed) return;
    stream.respond({ ":status": refusal.status, ...headersOf(fields) });
    stream.end(body);
    // What it still sends is for no one.
    stream.resume();
  }
}

/** Ends a stream with which Node does not do what was read from the other side. */
function attempt(stream: ServerHttp2Stream | ClientHttp2Stream, act: () => void): void {
  try {
    act();
  } catch {
    giveUp(stream);
  }
}

function giveUp(stream: ServerHttp2Stream | ClientHttp2Stream): void {
  if (!stream.closed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

function openOutside(socket: TLSSocket): ClientHttp2Session {
  const session = connect(`https://${socket.servername || "server"}`, {
    createConnection: () => socket,
    settings: { ...settings, enablePush: false },
  });
  session.on("error", () => {
    // It closes next.
  });
  session.once("connect", () => session.setLocalWindowSize(connectionWindowBytes));
  return session;
}

function passRequestBody(stream: ServerHttp2Stream, sent: ClientHttp2Stream, isWhole: boolean): void {
  if (isWhole) return;
  let trailers: OutgoingHttpHeaders = {};
  stream.on("trailers", (headers) => {
    trailers = headersOf(fieldsOf(headers));
  });
  sent.once("wantTrailers", () => attempt(sent, () => sent.sendTrailers(trailers)));
  stream.pipe(sent);
  stream.once("aborted", () => sent.close(stream.rstCode || constants.NGHTTP2_CANCEL));
}

function hasEnded(flags: number): boolean {
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
}

/** Fields without the pseudo-fields, which begin with a colon. */
function fieldsOf(headers: IncomingHttpHeaders): readonly Field[] {
  return Object.entries(headers).flatMap(([name, value]): Field[] => {
    if (name.startsWith(":") || value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map((each) => [name, String(each)]);
  });
}

function pseudoOf(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(":")));
}

/** Fields that no table of the compression may keep (RFC 7541, section 7.1.3) */
function sensitiveOf(headers: IncomingHttpHeaders): readonly string[] {
  const names: unknown = Reflect.get(headers, sensitiveHeaders);
  return Array.isArray(names) ? names.map(String) : [];
}

function headersOf(fields: readonly Field[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of fields) {
    const known = headers[name];
    headers[name] = known === undefined ? value : [known, value].flat();
  }
  return headers;
}
