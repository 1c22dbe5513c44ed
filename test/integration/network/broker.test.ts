import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BrokeredNetwork, placeholder, secretFor, value } from "../../helpers/brokered-network.ts";

const commandTimeoutMs = 20_000;

let network: BrokeredNetwork;
let server: Server;
let port: number;
let dir: string;
/** What the server does with a request, and the heads that it got */
let serve: (request: IncomingMessage, response: ServerResponse) => unknown;
let seen: IncomingMessage[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-broker-"));
  seen = [];
  serve = (_request, response) => response.end("fine\n");
  const listening = createServer({ SNICallback: (name, done) => done(null, network.outside.contextFor(name)) });
  server = listening.on("request", (request, response) => {
    seen.push(request);
    void serve(request, response);
  });
  server.listen({ host: "127.0.0.2", port: 0 });
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
  network = await BrokeredNetwork.open([
    secretFor([`api.test:${port}`]),
    secretFor([`other.test:${port}`], { name: "OTHER", placeholder: "other-placeholder", inQuery: true }),
  ]);
  await writeFile(join(dir, "ca.pem"), network.broker.authorityPem);
});

afterEach(async () => {
  await network[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  await rm(dir, { recursive: true });
});

interface Said {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs curl as a program of the guest would: it knows the workspace's authority and a name. */
async function curl(host: string, args: readonly string[], path = "/"): Promise<Said> {
  const door = await network.door(host, port);
  return run("curl", [
    ...["--silent", "--show-error", "--include", "--cacert", join(dir, "ca.pem")],
    ...["--connect-to", `${host}:${port}:127.0.0.1:${door}`, ...args, `https://${host}:${port}${path}`],
  ]);
}

function run(program: string, args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], { timeout: commandTimeoutMs }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdin?.end();
  });
}

test("a token works for its host, and the ledger has its use without its value", async () => {
  const { stdout, exitCode, stderr } = await curl("api.test", ["-H", `Authorization: Bearer ${placeholder}`]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain("200 OK");
  expect(seen[0]?.headers.authorization).toBe(`Bearer ${value}`);
  expect(network.use).toMatchObject({
    allowed: { "api.test": 1 },
    denied: [],
    failed: [],
    secrets: [{ name: "TOKEN", host: "api.test", count: 1 }],
  });
  await expect
    .poll(() => network.ledger)
    .toMatchObject([{ host: "api.test", verdict: "allowed", secrets: [{ name: "TOKEN", count: 1 }] }]);
  expect(JSON.stringify([network.use, network.ledger])).not.toContain(value);
});

test("a token for another host is denied by name, and does not get there", async () => {
  const { stdout } = await curl("other.test", ["-H", `Authorization: Bearer ${placeholder}`]);
  expect(stdout).toContain("403 Forbidden");
  expect(stdout).toContain("secret 'TOKEN' is not for other.test");
  expect(seen).toEqual([]);
  expect(network.use?.denied).toMatchObject([
    { host: "other.test", port, rule: "secret 'TOKEN' is not for other.test", process: "curl" },
  ]);
});

test("user and password of Basic authentication, and a query only if it is asked for", async () => {
  await curl("api.test", ["--user", `me:${placeholder}`]);
  expect(seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from(`me:${value}`).toString("base64")}`);
  await curl("other.test", [], "/?key=other-placeholder&b=1");
  expect(seen[1]?.url).toBe(`/?key=${value}&b=1`);
  const denied = await curl("api.test", [], `/?key=${placeholder}`);
  expect(denied.stdout).toContain("secret 'TOKEN' is put into headers only");
  expect(seen).toHaveLength(2);
});

test("a body goes through as it is, and so does a placeholder in it", async () => {
  let body = "";
  serve = async (request, response) => {
    body = await text(request);
    response.end(body);
  };
  await writeFile(join(dir, "body"), `${placeholder}${"x".repeat(3_000_000)}`);
  const { stdout } = await curl("api.test", ["--data-binary", `@${join(dir, "body")}`, "-H", `X-Key: ${placeholder}`]);
  expect(body).toHaveLength(placeholder.length + 3_000_000);
  expect(body.startsWith(placeholder)).toBe(true);
  expect(stdout).toContain("100 Continue");
  expect(seen[0]?.headers["x-key"]).toBe(value);
});

test("an answer that says the value again has the placeholder, in headers and in text", async () => {
  serve = ({ headers }, response) => {
    response.setHeader("content-type", "application/json");
    response.setHeader("x-echo", String(headers["authorization"]));
    const all = JSON.stringify(headers);
    const middle = all.indexOf(value) + 5;
    response.write(all.slice(0, middle));
    setImmediate(() => response.end(all.slice(middle)));
  };
  const { stdout } = await curl("api.test", ["-H", `Authorization: Bearer ${placeholder}`]);
  expect(stdout).not.toContain(value);
  expect(stdout).toContain(`x-echo: Bearer ${placeholder}`);
  expect(stdout).toContain(`"authorization":"Bearer ${placeholder}"`);
  const basic = await curl("api.test", ["--user", `me:${placeholder}`]);
  expect(basic.stdout).not.toContain(Buffer.from(`me:${value}`).toString("base64"));
  expect(basic.stdout).toContain(Buffer.from(`me:${placeholder}`).toString("base64"));
});

test("a request for another host than its connection is denied, whatever it has", async () => {
  const { stdout } = await curl("api.test", ["-H", "Host: other.test"]);
  expect(stdout).toContain(`the connection is for api.test, and the request for 'other.test'`);
  expect(seen).toEqual([]);
  const door = await network.door("api.test", port);
  const none = await run("curl", ["-sS", "--insecure", `https://127.0.0.1:${door}/`]);
  expect(none.exitCode).not.toBe(0);
  await expect
    .poll(() => network.use?.denied.map(({ rule }) => rule))
    .toContain("secrets are put in for api.test, and the TLS server name does not say it");
});

test("a client that does not take the certificate is a denial that says so", async () => {
  const door = await network.door("api.test", port);
  const to = ["--connect-to", `api.test:${port}:127.0.0.1:${door}`, `https://api.test:${port}/`];
  expect((await run("curl", ["-sS", ...to])).stderr).toContain("certificate");
  await expect
    .poll(() => network.use?.denied)
    .toMatchObject([{ host: "api.test", rule: expect.stringContaining("does not accept"), count: 1 }]);
  const pin = `sha256//${Buffer.alloc(32).toString("base64")}`;
  await run("curl", ["-sS", "--cacert", join(dir, "ca.pem"), "--pinnedpubkey", pin, ...to]);
  await expect
    .poll(() => network.use?.denied)
    .toMatchObject([{ count: 1 }, { rule: expect.stringContaining("perhaps it pins"), count: 1 }]);
  expect(seen).toEqual([]);
});

test("a server whose certificate is not trusted, or that is gone, is a 502 that names pyro", async () => {
  const bad = createServer({ SNICallback: (_name, done) => done(null, network.outside.contextFor("wrong.test")) });
  bad.listen({ host: "127.0.0.2", port: 0 });
  await once(bad, "listening");
  const { port: badPort } = bad.address() as AddressInfo;
  const other = await BrokeredNetwork.open([secretFor([`api.test:${badPort}`])], network.outside);
  try {
    await writeFile(join(dir, "other.pem"), other.broker.authorityPem);
    const door = await other.door("api.test", badPort);
    const { stdout } = await run("curl", [
      ...["-sSi", "--cacert", join(dir, "other.pem"), "--connect-to", `api.test:${badPort}:127.0.0.1:${door}`],
      `https://api.test:${badPort}/`,
    ]);
    expect(stdout).toContain("502");
    expect(stdout).toContain("pyro could not pass on the request");
    await expect
      .poll(() => other.use?.failed)
      .toMatchObject([{ host: "api.test", reason: expect.stringContaining("its TLS failed") }]);
  } finally {
    await other[Symbol.asyncDispose]();
    bad.close();
  }
  serve = (request) => request.socket.destroy();
  const gone = await curl("api.test", []);
  expect(gone.stdout).toContain("pyro could not pass on the request");
});

test("without TLS a placeholder is denied by name, in any request of a connection", async () => {
  const plain = createHttpServer((_request, response) => response.end("fine\n"));
  plain.listen({ host: "127.0.0.2", port: 0 });
  await once(plain, "listening");
  try {
    const { port: plainPort } = plain.address() as AddressInfo;
    const door = await network.door("plain.test", plainPort);
    const to = ["--connect-to", `plain.test:${plainPort}:127.0.0.1:${door}`];
    const url = `http://plain.test:${plainPort}/`;
    const basic = await run("curl", ["-sSi", ...to, "--user", `me:${placeholder}`, url]);
    expect(basic.stdout).toContain("403 Forbidden");
    expect(basic.stdout).toContain("secret 'TOKEN' is not sent without TLS");
    const socket = connect({ host: "127.0.0.1", port: door });
    socket.on("error", () => {});
    socket.write(`GET / HTTP/1.1\r\nhost: plain.test\r\n\r\n`);
    await once(socket, "data");
    socket.write(`GET / HTTP/1.1\r\nhost: plain.test\r\nx-key: ${placeholder.slice(0, 9)}`);
    socket.write(`${placeholder.slice(9)}\r\n\r\n`);
    await once(socket, "close");
    expect(network.use?.denied).toMatchObject([{ rule: "secret 'TOKEN' is not sent without TLS", count: 2 }]);
  } finally {
    plain.closeAllConnections();
    plain.close();
  }
});

test("a value that is not to be had is a 502 that does not tell why", async () => {
  const broken = await BrokeredNetwork.open(
    [secretFor([`api.test:${port}`], { value: () => Promise.reject(new Error(`the file has ${value}`)) })],
    network.outside,
  );
  try {
    await writeFile(join(dir, "broken.pem"), broken.broker.authorityPem);
    const door = await broken.door("api.test", port);
    const { stdout } = await run("curl", [
      ...["-sSi", "--cacert", join(dir, "broken.pem"), "--connect-to", `api.test:${port}:127.0.0.1:${door}`],
      ...["-H", `X-Key: ${placeholder}`, `https://api.test:${port}/`],
    ]);
    expect(stdout).toContain("502");
    expect(stdout).toContain("the value of secret 'TOKEN' is not to be had");
    expect(stdout).not.toContain(value);
  } finally {
    await broken[Symbol.asyncDispose]();
  }
});
