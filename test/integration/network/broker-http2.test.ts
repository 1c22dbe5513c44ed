import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BrokeredNetwork, placeholder, secretFor, value } from "../../helpers/brokered-network.ts";

let network: BrokeredNetwork;
let server: Http2SecureServer;
let port: number;
let session: ClientHttp2Session;
let serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => unknown;
let seen: IncomingHttpHeaders[];

beforeEach(async () => {
  seen = [];
  serve = (stream) => {
    stream.respond({ ":status": 200 });
    stream.end("fine");
  };
  server = createSecureServer({
    SNICallback: (name, done) => done(null, network.outside.contextFor(name)),
    allowHTTP1: true,
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    seen.push(headers);
    void serve(stream, headers);
  });
  server.listen({ host: "127.0.0.2", port: 0 });
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
  network = await BrokeredNetwork.open([secretFor([`api.test:${port}`])]);
  const door = await network.door("api.test", port);
  session = connect(`https://api.test:${port}`, {
    createConnection: () =>
      connectTls({
        ...{ host: "127.0.0.1", port: door, servername: "api.test" },
        ...{ ca: network.broker.authorityPem, ALPNProtocols: ["h2", "http/1.1"] },
      }),
  });
  session.on("error", () => {});
  await once(session, "connect");
});

afterEach(async () => {
  session.destroy();
  await network[Symbol.asyncDispose]();
  server.close();
});

function request(headers: OutgoingHttpHeaders = {}, options = {}): ClientHttp2Stream {
  const stream = session.request({ ":path": "/", "x-key": placeholder, ...headers }, options);
  stream.on("error", () => {});
  return stream;
}

/** The status and the body of an answer. */
async function answerOf(stream: ClientHttp2Stream): Promise<[number | undefined, string]> {
  const answer = once(stream, "response");
  const body = text(stream);
  const [headers] = (await answer) as [IncomingHttpHeaders & { ":status"?: number }];
  return [headers[":status"], await body];
}

test("streams of one connection are streams of one connection outside, each with its value", async () => {
  serve = (stream, headers) => {
    stream.respond({ ":status": 200 });
    setTimeout(() => stream.end(`${headers[":path"]}`), headers[":path"] === "/0" ? 50 : 0);
  };
  const streams = Array.from({ length: 20 }, (_, index) => request({ ":path": `/${index}` }));
  const answers = await Promise.all(streams.map(answerOf));
  expect(answers).toEqual(streams.map((_, index) => [200, `/${index}`]));
  expect(new Set(seen.map((headers) => headers["x-key"]))).toEqual(new Set([value]));
  expect(network.use).toMatchObject({
    allowed: { "api.test": 1 },
    secrets: [{ name: "TOKEN", host: "api.test", count: 20 }],
  });
});

test("both directions stream at once, and trailers come at the end, as gRPC has it", async () => {
  let trailers: IncomingHttpHeaders = {};
  serve = (stream) => {
    stream.on("trailers", (headers) => {
      trailers = headers;
    });
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-echo": value }));
    stream.pipe(stream);
  };
  const stream = request({ ":method": "POST", te: "trailers" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "3" }));
  const received = once(stream, "trailers");
  for (const message of ["one", "two", "three"]) {
    stream.write(message);
    const [echoed] = (await once(stream, "data")) as [Buffer];
    expect(echoed.toString()).toBe(message);
  }
  stream.end();
  stream.resume();
  const [last] = (await received) as [IncomingHttpHeaders];
  expect(last).toMatchObject({ "grpc-status": "0", "x-echo": placeholder });
  expect(trailers["x-sum"]).toBe("3");
  expect(seen[0]?.["te"]).toBe("trailers");
});

test("an answer without a body, and one to HEAD, end with their head", async () => {
  serve = (stream) => stream.respond({ ":status": 204, "grpc-status": "5" }, { endStream: true });
  const stream = request();
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  expect(headers).toMatchObject({ ":status": 204, "grpc-status": "5" });
  stream.resume();
  await once(stream, "close");
  expect(stream.rstCode).toBe(0);
});

test("100 and 103 come before the answer", async () => {
  serve = async (stream) => {
    stream.additionalHeaders({ ":status": 100 });
    stream.additionalHeaders({ ":status": 103, link: "</a.css>; rel=preload" });
    stream.respond({ ":status": 200 });
    stream.end(await text(stream));
  };
  const stream = request({ ":method": "PUT", expect: "100-continue" });
  const early: unknown[] = [];
  stream.on("headers", (headers) => early.push(headers[":status"]));
  await once(stream, "continue");
  stream.end("body");
  expect(await answerOf(stream)).toEqual([200, "body"]);
  expect(early).toEqual([100, 103]);
});

test("a stream that either side gives up is given up on the other, and the rest go on", async () => {
  const outside: ServerHttp2Stream[] = [];
  serve = (stream, headers) => {
    outside.push(stream);
    stream.respond({ ":status": 200 });
    stream.write("begun");
    if (headers[":path"] === "/refuse") stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  };
  const cancelled = request({ ":method": "POST" });
  await once(cancelled, "data");
  cancelled.close(constants.NGHTTP2_CANCEL);
  await expect.poll(() => outside[0]?.rstCode).toBe(constants.NGHTTP2_CANCEL);
  const refused = request({ ":path": "/refuse" });
  refused.resume();
  await new Promise((resolve) => void refused.once("close", resolve));
  expect(refused.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  serve = (stream) => {
    stream.respond({ ":status": 200 });
    stream.end("fine");
  };
  expect(await answerOf(request())).toEqual([200, "fine"]);
});

test("a large body passes in both directions, at the pace of its reader", async () => {
  serve = (stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  };
  const body = Buffer.alloc(8 * 1024 * 1024, "x");
  const stream = request({ ":method": "POST" });
  stream.end(body);
  const [status, echoed] = await answerOf(stream);
  expect([status, echoed.length]).toEqual([200, body.length]);
});

test.each([
  ["for another host", { ":authority": "other.test" }, "and the request for 'other.test'"],
  ["to another port", { ":authority": "api.test:1" }, "and the request for 'api.test:1'"],
  ["with two hosts", { host: "other.test" }, "and the request for 'other.test'"],
  ["with a secret in its path", { ":path": `/${placeholder}` }, "secret 'TOKEN' is not put into a path"],
])("a request %s is denied, and no other", async (_what, headers, reason) => {
  const [status, body] = await answerOf(request(headers));
  expect(status).toBe(403);
  expect(body).toContain(reason);
  expect(seen).toEqual([]);
  expect(await answerOf(request())).toEqual([200, "fine"]);
  expect(network.use?.denied).toHaveLength(1);
});

test("CONNECT is refused", async () => {
  const stream = session.request({ ":method": "CONNECT", ":authority": `api.test:${port}` });
  stream.on("error", () => {});
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  expect(headers[":status"]).toBe(403);
  expect(network.use?.denied).toMatchObject([{ rule: "CONNECT is for proxies" }]);
});

test("the end of the connection outside is the end of the guest's", async () => {
  serve = (stream) => stream.session?.destroy();
  const stream = request();
  const [status, body] = await answerOf(stream);
  expect(status).toBe(502);
  expect(body).toContain("the server has closed the connection");
  await expect.poll(() => network.egress.open).toEqual([]);
});

test("a client that speaks only HTTP/1 is offered nothing else", async () => {
  server.on("request", ({ httpVersion, headers }, response) => {
    if (httpVersion === "1.1") response.end(`version ${httpVersion} ${String(headers["x-key"])}`);
  });
  const door = await network.door("api.test", port);
  const { authorityPem: ca } = network.broker;
  const socket = connectTls({ host: "127.0.0.1", port: door, servername: "api.test", ca, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  expect(socket.alpnProtocol).toBe("http/1.1");
  socket.write(`GET / HTTP/1.1\r\nhost: api.test\r\nx-key: ${placeholder}\r\nconnection: close\r\n\r\n`);
  // The value that a server says again is not for the guest.
  expect(await text(socket)).toContain(`version 1.1 ${placeholder}`);
});
