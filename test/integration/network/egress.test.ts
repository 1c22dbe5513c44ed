import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Egress, type EgressOptions } from "../../../src/network/egress.ts";
import { LedgerWriter } from "../../../src/network/ledger.ts";
import { SyntheticAddresses } from "../../../src/network/names.ts";
import { compilePolicy } from "../../../src/network/policy/policy.ts";
import { type NetworkRules, offline } from "../../../src/network/policy/rules.ts";
import { LoopbackServer } from "../../helpers/loopback-server.ts";

const serverHost = "127.0.0.2";
const label = "command 1";

let egress: Egress | undefined;
let echo: LoopbackServer;
beforeEach(async () => {
  echo = await LoopbackServer.listen((socket) => socket.pipe(socket));
});
afterEach(async () => {
  await egress?.close();
  await echo[Symbol.asyncDispose]();
});

async function open(
  rules: Partial<NetworkRules>,
  names: Readonly<Record<string, readonly string[]>> = { "server.test": [serverHost] },
  more: Partial<EgressOptions> = {},
): Promise<Egress> {
  egress = new Egress({
    policy: compilePolicy({ ...offline, mode: "egress", ...rules }),
    addresses: await SyntheticAddresses.open(),
    ledger: new LedgerWriter(undefined),
    resolve: async (name) => {
      const addresses = names[name];
      return addresses ? { addresses } : { missing: true, reason: "the name does not exist" };
    },
    ...more,
  });
  return egress;
}

const toServer = { allowHosts: ["server.test:1-65535"], allowPrivate: [serverHost] };

/** Two ends of a connection, of which one tells the other of its end. */
async function connectedPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const guest = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  guest.on("error", () => {});
  const [host] = (await once(server, "connection")) as [Socket];
  server.close();
  return [guest, host];
}

/** A process of the guest connects to a name that it has asked for. */
async function connectTo(way: Egress, name: string, port: number): Promise<Duplex> {
  const address = await way.addressOf({ name, type: "A", label });
  const [guest, host] = await connectedPair();
  const isTaken = way.carry({ address: address ?? name, port, label, process: "curl" }, () => host);
  if (!isTaken) guest.destroy();
  return guest;
}

/** What comes until the end, or "reset". */
function answerOf(stream: Duplex): Promise<string> {
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve) => {
    stream.once("end", () => resolve(text === "" ? "reset" : text));
    stream.once("close", () => resolve(text === "" ? "reset" : text));
  });
}

test("a name is asked for, dialled and counted", async () => {
  const way = await open(toServer);
  const guest = await connectTo(way, "Server.Test", echo.port);
  guest.end("hello");
  expect(await answerOf(guest)).toBe("hello");
  expect(way.takeUseOf(label)).toEqual({
    allowed: { "server.test": 1 },
    denied: [],
    failed: [],
    secrets: [],
  });
  expect(way.takeUseOf(label)).toBeNull();
});

test("of several addresses the first that answers is taken, and one that is judged", async () => {
  const way = await open(toServer, { "server.test": ["127.0.0.3", serverHost, "10.0.0.1"] });
  const guest = await connectTo(way, "server.test", echo.port);
  guest.end("hello");
  expect(await answerOf(guest)).toBe("hello");
});

test("records of services are neither faked nor a denial", async () => {
  const way = await open(toServer);
  expect(await way.addressOf({ name: "_http._tcp.other.test", type: "SRV", label })).toBeNull();
  expect(await way.addressOf({ name: "server.test", type: "HTTPS", label })).toMatch(/^198\.18\./);
  expect(way.takeUseOf(label)).toBeNull();
});

test("what does not exist, and what does not answer, is no denial", async () => {
  const way = await open({ ...toServer, allowHosts: ["*.test:1-65535"] });
  expect(await way.addressOf({ name: "missing.test", type: "A", label })).toBeNull();
  const { port } = echo;
  await echo[Symbol.asyncDispose]();
  expect(await answerOf(await connectTo(way, "server.test", port))).toBe("reset");
  expect(way.takeUseOf(label)).toMatchObject({
    denied: [],
    failed: [
      { host: "missing.test", port: null, reason: "the name does not exist" },
      { host: "server.test", port, reason: expect.stringContaining("ECONNREFUSED") },
    ],
  });
});

test("more than 256 connections at once are refused, and one that ends makes room", async () => {
  const way = await open(toServer);
  const guests = await Promise.all(Array.from({ length: 256 }, () => connectTo(way, "server.test", echo.port)));
  await expect.poll(() => echo.sockets.size).toBe(256);
  expect((await connectTo(way, "server.test", echo.port)).destroyed).toBe(true);
  guests[0]?.end();
  await expect.poll(() => way.open.length).toBe(255);
  const last = await connectTo(way, "server.test", echo.port);
  last.end("hello");
  expect(await answerOf(last)).toBe("hello");
  expect(way.takeUseOf(label)?.failed).toMatchObject([{ reason: "256 connections are open, which is the limit" }]);
});

test("a client that ends its direction at once is heard to its end", async () => {
  const way = await open(toServer);
  const guest = await connectTo(way, "server.test", echo.port);
  guest.write("GET / HT");
  guest.end("TP/1.0\n\n");
  expect(await answerOf(guest)).toBe("GET / HTTP/1.0\n\n");
});

test("a client that waits after a word, or after anything that is no request, is heard", async () => {
  const way = await open(toServer);
  for (const said of ["hello", "x", "1234567890", "*1\r\n", "\0\x01", "SELECT"]) {
    const guest = await connectTo(way, "server.test", echo.port);
    guest.write(said);
    const [heard] = (await once(guest, "data")) as [Buffer];
    expect(heard.toString()).toBe(said);
    guest.destroy();
  }
});

test("the end of a way out resets everything and takes nothing more", async () => {
  const way = await open(toServer);
  const guest = await connectTo(way, "server.test", echo.port);
  await expect.poll(() => echo.sockets.size).toBe(1);
  await way.close();
  expect(await answerOf(guest)).toBe("reset");
  await expect.poll(() => echo.sockets.size).toBe(0);
  expect(way.carry({ address: serverHost, port: echo.port }, () => guest)).toBe(false);
});

/** A proxy that notes what it is asked for, and connects to the echo server whatever that is. */
async function startProxy(asked: string[], status = 200): Promise<Server> {
  const proxy = createHttpServer();
  proxy.on("connect", ({ url = "", headers }, socket: Duplex, head: Buffer) => {
    asked.push(`${url} ${headers["proxy-authorization"] ?? "-"}`);
    socket.on("error", () => {});
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const server = connect({ host: serverHost, port: echo.port }, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      server.write(head);
      server.pipe(socket);
      socket.pipe(server);
    });
    server.on("error", () => {});
  });
  proxy.listen({ host: "127.0.0.1", port: 0 });
  await once(proxy, "listening");
  return proxy;
}

test("behind a proxy it is the proxy that connects, by name, also to one that only it knows", async () => {
  const asked: string[] = [];
  const proxy = await startProxy(asked);
  try {
    const url = `http://me:p%40ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const way = await open(
      { ...toServer, allowHosts: ["*.test"] },
      { "server.test": [serverHost] },
      {
        proxyFor: () => ({ url }),
      },
    );
    for (const name of ["server.test", "unknown.test"]) {
      const guest = await connectTo(way, name, 443);
      guest.write("hello");
      await once(guest, "data");
      guest.destroy();
    }
    const credentials = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
    expect(asked).toEqual([`server.test:443 ${credentials}`, `unknown.test:443 ${credentials}`]);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("a proxy gets addresses that were judged, unless a rule names the host", async () => {
  const asked: string[] = [];
  const proxy = await startProxy(asked);
  try {
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const way = await open({}, { "server.test": ["192.31.195.9"] }, { proxyFor: () => ({ url }) });
    const guest = await connectTo(way, "server.test", 443);
    guest.write("hello");
    await once(guest, "data");
    guest.destroy();
    expect(await way.addressOf({ name: "unknown.test", type: "A", label })).toBeNull();
    expect(asked).toEqual(["192.31.195.9:443 -"]);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("a name that is asked for in both families counts once", async () => {
  const way = await open(toServer);
  for (const type of ["A", "AAAA", "A", "AAAA"]) await way.addressOf({ name: "other.test", type, label });
  expect(way.takeUseOf(label)?.denied).toMatchObject([{ host: "other.test", count: 2 }]);
});

test("a proxy is no way around the policy, and its refusal is told", async () => {
  const asked: string[] = [];
  const proxy = await startProxy(asked, 403);
  try {
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const way = await open({ allowHosts: ["*.test"] }, { "server.test": ["10.0.0.1"] }, { proxyFor: () => ({ url }) });
    expect(await way.addressOf({ name: "server.test", type: "A", label })).toBeNull();
    expect(asked).toEqual([]);
    expect(await answerOf(await connectTo(way, "unknown.test", 443))).toBe("reset");
    expect(way.takeUseOf(label)).toMatchObject({
      denied: [{ host: "server.test", rule: "10.0.0.1 is private", howToAllow: "--allow-private server.test" }],
      failed: [{ host: "unknown.test", port: 443, reason: "the proxy answered 403 No" }],
    });
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
