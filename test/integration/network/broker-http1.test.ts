import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BrokeredNetwork, placeholder, secretFor, value } from "../../helpers/brokered-network.ts";

const head = `host: api.test\r\nx-key: ${placeholder}\r\n`;

let network: BrokeredNetwork;
let server: Server;
let door: number;
let serve: (request: IncomingMessage, response: ServerResponse) => unknown;
let seen: IncomingMessage[];

beforeEach(async () => {
  seen = [];
  serve = (_request, response) => response.end("fine");
  server = createServer({ SNICallback: (name, done) => done(null, network.outside.contextFor(name)) });
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    seen.push(request);
    void serve(request, response);
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.listen({ host: "127.0.0.2", port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  network = await BrokeredNetwork.open([secretFor([`api.test:${port}`])]);
  door = await network.door("api.test", port);
});

afterEach(async () => {
  await network[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});

/** A connection of a guest's program that speaks HTTP/1 by hand. */
async function open(): Promise<TLSSocket> {
  const { authorityPem: ca } = network.broker;
  const socket = connectTls({ host: "127.0.0.1", port: door, servername: "api.test", ca, ALPNProtocols: ["http/1.1"] });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

/** What comes of a connection, until all of some texts are in it, or it ends. */
async function heard(socket: TLSSocket, ...wanted: readonly string[]): Promise<string> {
  let all = "";
  if (socket.closed) return all;
  return new Promise((resolve) => {
    const onData = (chunk: Buffer) => {
      all += chunk.toString("latin1");
      if (wanted.length > 0 && wanted.every((each) => all.includes(each))) finish();
    };
    const finish = () => {
      socket.off("data", onData);
      socket.off("close", finish);
      resolve(all);
    };
    socket.on("data", onData);
    socket.once("close", finish);
  });
}

test("one connection carries many requests, also if they are sent at once, in their order", async () => {
  serve = ({ url = "" }, response) => setTimeout(() => response.end(`<${url}>`), url === "/1" ? 50 : 0);
  const socket = await open();
  for (const path of ["/1", "/2", "/3"]) socket.write(`GET ${path} HTTP/1.1\r\n${head}\r\n`);
  const answers = await heard(socket, "</1>", "</2>", "</3>");
  expect(answers.match(/<\/\d>/g)).toEqual(["</1>", "</2>", "</3>"]);
  expect(seen.map(({ headers }) => headers["x-key"])).toEqual([value, value, value]);
  expect(new Set(seen.map(({ socket: used }) => used)).size).toBe(1);
  expect(network.use?.secrets).toEqual([{ name: "TOKEN", host: "api.test", count: 3 }]);
  socket.destroy();
});

test("chunks and trailers pass in both directions", async () => {
  let trailers: IncomingMessage["trailers"] = {};
  serve = async (request, response) => {
    const body = await text(request);
    trailers = request.trailers;
    response.setHeader("trailer", "x-sum");
    response.write(body);
    response.addTrailers({ "x-sum": "1" });
    response.end();
  };
  const socket = await open();
  socket.write(`POST / HTTP/1.1\r\n${head}te: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\n`);
  socket.write(`trailer: x-end\r\n\r\n5\r\nhello\r\n`);
  socket.write("0\r\nx-end: yes\r\n\r\n");
  expect(await heard(socket, "x-sum: 1")).toContain("hello");
  expect(trailers).toEqual({ "x-end": "yes" });
  expect(seen[0]?.headers).toMatchObject({ te: "trailers", "transfer-encoding": "chunked" });
  socket.destroy();
});

test("a client that waits for 100 gets it from the server, or its answer", async () => {
  serve = async (request, response) => {
    if (request.url === "/no") return response.writeHead(417).end();
    response.writeContinue();
    return response.end(await text(request));
  };
  const expecting = `${head}expect: 100-continue\r\ncontent-length: 5\r\n\r\n`;
  const socket = await open();
  socket.write(`PUT / HTTP/1.1\r\n${expecting}`);
  expect(await heard(socket, "\r\n\r\n")).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
  socket.write("hello");
  expect(await heard(socket, "hello")).toContain("200 OK");
  socket.destroy();
  const other = await open();
  other.write(`PUT /no HTTP/1.1\r\n${expecting}`);
  expect(await heard(other, "417")).not.toContain("100 Continue");
  other.destroy();
});

test("a server that answers before the body has ended is heard", async () => {
  serve = (_request, response) => response.writeHead(413, { connection: "close" }).end("too much");
  const socket = await open();
  socket.write(`POST / HTTP/1.1\r\n${head}content-length: 100000000\r\n\r\n${"x".repeat(100_000)}`);
  const answer = await heard(socket);
  expect(answer).toContain("413");
  expect(answer).toContain("too much");
});

test("neither side sends more than the other takes", async () => {
  const allBytes = 64 * 1024 * 1024;
  let sentBytes = 0;
  let lastBytes = 0;
  serve = (_request, response) => {
    const chunk = Buffer.alloc(64 * 1024);
    const more = () => {
      while (sentBytes < allBytes) {
        sentBytes += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", more);
      }
    };
    more();
  };
  const socket = await open();
  socket.pause();
  socket.write(`GET / HTTP/1.1\r\n${head}\r\n`);
  const hasStopped = () => {
    const before = lastBytes;
    lastBytes = sentBytes;
    return sentBytes > 0 && before === sentBytes;
  };
  await expect.poll(hasStopped, { interval: 500, timeout: 20_000 }).toBe(true);
  expect(sentBytes).toBeLessThan(allBytes);
  socket.destroy();
});

test("a WebSocket is brokered in its header, and then passes as it is", async () => {
  server.on("upgrade", (request: IncomingMessage, socket) => {
    seen.push(request);
    socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nfirst ");
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  const socket = await open();
  socket.write(`GET /chat HTTP/1.1\r\n${head}connection: Upgrade\r\nupgrade: websocket\r\n\r\n`);
  const answer = await heard(socket, "first ");
  expect(answer).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n/);
  expect(answer).toMatch(/upgrade: websocket/i);
  expect(seen[0]?.headers).toMatchObject({ "x-key": value, upgrade: "websocket" });
  socket.write(placeholder);
  expect(await heard(socket, placeholder)).toBe(placeholder);
  socket.end();
  await heard(socket);
});

test("a server that does not change the protocol answers as usual", async () => {
  server.removeAllListeners("upgrade");
  const socket = await open();
  socket.write(`GET /chat HTTP/1.1\r\n${head}connection: Upgrade\r\nupgrade: websocket\r\n\r\n`);
  expect(await heard(socket)).toContain("fine");
});

test("a client of HTTP/1.0 is answered until the end", async () => {
  const socket = await open();
  socket.write(`GET / HTTP/1.0\r\n${head}\r\n`);
  expect(await heard(socket)).toMatch(/^HTTP\/1.1 200 OK\r\n.*fine$/s);
});

test.each([
  ["two lengths", `POST / HTTP/1.1\r\n${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, "400"],
  ["an unknown coding", `POST / HTTP/1.1\r\n${head}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, "501"],
  ["two hosts", `GET / HTTP/1.1\r\nhost: api.test\r\nhost: api.test\r\n\r\n`, "the request names its host twice"],
  ["no host", "GET / HTTP/1.1\r\n\r\n", "the request names no host"],
  ["another host in its target", `GET https://other.test/ HTTP/1.1\r\n${head}\r\n`, "the request is one for a proxy"],
  ["CONNECT", "CONNECT other.test:443 HTTP/1.1\r\nhost: other.test:443\r\n\r\n", "CONNECT is for proxies"],
  ["a head of 70 KiB", `GET / HTTP/1.1\r\n${head}x-pad: ${"x".repeat(70_000)}\r\n\r\n`, "400"],
  ["no HTTP", "hello\r\n\r\n", "400"],
])("a request with %s goes nowhere", async (_what, request, answer) => {
  const socket = await open();
  socket.write(request);
  expect(await heard(socket)).toContain(answer);
  expect(seen).toEqual([]);
});

test("what a client says in another protocol is a denial", async () => {
  const socket = await open();
  socket.write("* OK hello\r\n\r\n");
  await heard(socket);
  await expect.poll(() => network.use?.denied).toMatchObject([{ rule: "what the client says is not HTTP" }]);
});

test("the end of either side is the end of the other", async () => {
  serve = (_request, response) => response.write("begun");
  const cut = await open();
  cut.write(`GET / HTTP/1.1\r\n${head}\r\n`);
  await heard(cut, "begun");
  seen[0]?.socket.destroy();
  expect(await heard(cut)).not.toContain("0\r\n\r\n");
  const left = await open();
  left.write(`GET / HTTP/1.1\r\n${head}\r\n`);
  await heard(left, "begun");
  const outside = seen[1]?.socket;
  left.destroy();
  await expect.poll(() => outside?.destroyed).toBe(true);
  await expect.poll(() => network.egress.open).toEqual([]);
});
