import http from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readFirstWords } from "../../../../src/network/server-name/first-words.ts";
import { judgeFirstWords } from "../../../../src/network/server-name/judge.ts";
import { nameOf } from "../../../../src/network/server-name/name.ts";
import { decisionOn } from "./decisions.ts";
import { connection } from "./hellos.ts";

const request = (host: string | null, { method = "GET", isProxyForm = false } = {}) =>
  ({ kind: "http", host, method, isProxyForm, isAmbiguous: false }) as const;
const bytesOf = (text: string) => Buffer.from(text, "latin1");

test.each([
  ["GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test"],
  ["GET /x?y=http://b.test/ HTTP/1.1\r\nhOST:a.test:8080\r\n\r\n", "a.test:8080"],
  ["GET / HTTP/1.1\r\nAccept: */*\r\nHost: \t A.test. \t\r\nX-Host: b.test\r\n\r\n", "A.test."],
  ["GET / HTTP/1.0\r\n\r\n", null],
  ["GET / HTTP/1.1\r\nHost:\r\n\r\n", null],
  ["GET / HTTP/1.0\nHost: a.test\n\n", "a.test"],
  ["\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test"],
  ['GET /\xe9|{"} HTTP/1.1\r\nHost: a.test\r\n\r\n', "a.test"],
  ["GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "[2001:db8::1]:80"],
  ["GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", "a.test,\\x20b.test"],
  ["GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n", "a.test@b.test"],
  ["GET / HTTP/1.1\r\nHost: a\x01\xff\r\n\r\n", "a\\x01\\xff"],
  ["GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\n", "a.test"],
])("the Host field of %j", (text, host) => {
  expect(decisionOn(bytesOf(text)).words).toEqual(request(host));
});

test.each([
  ["get / HTTP/1.1\r\nHost: a.test\r\n\r\n", "get"],
  ["OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "OPTIONS"],
  ["M-SEARCH / HTTP/1.1\r\nHost: a.test\r\n\r\n", "M-SEARCH"],
  [`${"X".repeat(60_000)} / HTTP/1.1\r\nHost: a.test\r\n\r\n`, "X".repeat(32)],
  [`POST /${"x".repeat(60_000)} HTTP/1.1\r\nHost: a.test\r\n\r\n`, "POST"],
])("the method of %.40j", (text, method) => {
  expect(decisionOn(bytesOf(text), text.length > 1_000 ? 997 : 1).words).toEqual(request("a.test", { method }));
});

test.each([
  ["GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test", "GET"],
  ["GET HTTPS://A.test:443?x HTTP/1.1\r\nHost: a.test\r\n\r\n", "A.test:443", "GET"],
  ["GET http://a.test HTTP/1.0\r\n\r\n", "a.test", "GET"],
  ["GET http://a.test@b.test/ HTTP/1.0\r\n\r\n", "a.test@b.test", "GET"],
  ["CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", "a.test:443", "CONNECT"],
  ["CONNECT a.test:443 HTTP/1.1\r\n\r\n", "a.test:443", "CONNECT"],
  ["DESCRIBE rtsp://a.test:554/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n", "a.test:554", "DESCRIBE"],
])("the authority in the target of %j", (text, host, method) => {
  expect(decisionOn(bytesOf(text)).words).toEqual(request(host, { method, isProxyForm: true }));
});

test.each([
  ["two fields", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n"],
  ["the same field twice", "GET / HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n"],
  ["an empty field beside it", "GET / HTTP/1.1\r\nHost:\r\nHost: a.test\r\n\r\n"],
  ["a continued line", "GET / HTTP/1.1\r\nHost: a.test\r\n b.test\r\n\r\n"],
  ["a continued line before it", "GET / HTTP/1.1\r\nX: 1\r\n\tHost: b.test\r\nHost: a.test\r\n\r\n"],
  ["a blank before the first field", "GET / HTTP/1.1\r\n Host: b.test\r\n\r\n"],
  ["a blank before the colon", "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n"],
  ["a line without a colon", "GET / HTTP/1.1\r\nHost a.test\r\n\r\n"],
  ["a field without a name", "GET / HTTP/1.1\r\n: a.test\r\n\r\n"],
  ["a line of blanks", "GET / HTTP/1.1\r\nHost: a.test\r\n \r\nHost: b.test\r\n\r\n"],
  ["a newline alone", "GET / HTTP/1.1\r\nX: 1\nHost: a.test\r\n\r\n"],
  ["an empty line with a newline alone", "GET / HTTP/1.1\r\nX: 1\r\n\nHost: a.test\r\n\r\n"],
  ["an empty line with a return", "GET / HTTP/1.1\nHost: a.test\n\r\n"],
  ["a return alone", "GET / HTTP/1.1\r\nX: 1\rHost: a.test\r\n\r\n"],
  ["a return too many", "GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n"],
  ["a zero byte in a field", "GET / HTTP/1.1\r\nHost: a.test\0b.test\r\n\r\n"],
  ["another host in the target", "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["another host to connect to", "CONNECT b.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"],
  ["no host in the target", "GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a fragment in the target", "GET http://a.test#@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a backslash in the target", "GET http://a.test\\@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["an authority to get", "GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["spaces in the target", "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["two spaces", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a tab between words", "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a return between words", "GET /\rx HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a control in the target", "GET /\x01 HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a blank first", " GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a blank after the version", "GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n"],
  ["a version in lower case", "GET / http/1.1\r\nHost: a.test\r\n\r\n"],
  ["another version", "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"],
  ["half of HTTP/2's start", "PRI * HTTP/2.0\r\nHost: a.test\r\n\r\n"],
  ["no version", "POST /\r\nHost: a.test\r\n\r\n"],
  ["HTTP/0.9", "GET /\r\n"],
  ["HTTP/0.9 with fields", "GET /\r\nHost: a.test\r\n\r\n"],
])("it is ambiguous with %s", (_, text) => {
  const { words } = decisionOn(bytesOf(text));
  expect(words).toMatchObject({ kind: "http", host: null, isAmbiguous: true });
  expect(judgeFirstWords(words, "a.test")).toEqual({ kind: "ambiguous" });
});

test.each([
  ["SSH-2.0-OpenSSH_9.6\r\n", 21],
  ["003egit-upload-pack /project.git\0host=a.test\0", 33],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24],
  ["*1\r\n$4\r\nPING\r\n", 4],
  ["GET key\r\n", 9],
  ["EHLO a.test\r\n", 13],
  ["hello, world", 6],
  ["{}", 1],
  ["\0\0\0\x08", 1],
  ["\x10\x0e", 1],
  ["\x80\x00\x07", 3],
  ["\x16\x00\xf4\x05\x06a.test", 6],
  ["\xff", null],
  ["GET", null],
  ["GET / HTTP/1.1\r\nHost: a.test\r\n", null],
  ["\r\n", null],
  ["\x16", null],
])("%j is something else after %s bytes", (text, decidedAt) => {
  const decision = decisionOn(bytesOf(text));
  expect(decision.words.kind).toBe(decidedAt === null ? "incomplete" : "other");
  if (decidedAt !== null) expect(decision.decidedAt).toBe(decidedAt);
});

/** The first request that Node reads; undefined: it refuses it, or waits for more. */
async function requestForNode(bytes: Buffer, insecureHTTPParser: boolean): Promise<http.IncomingMessage | undefined> {
  const socket = connection();
  const read = await new Promise<http.IncomingMessage | undefined>((resolve) => {
    const server = http.createServer({ insecureHTTPParser, requireHostHeader: false }, resolve);
    server.on("connect", resolve);
    server.on("upgrade", resolve);
    server.on("clientError", () => resolve(undefined));
    socket.on("end", () => resolve(undefined));
    server.emit("connection", socket);
    socket.push(bytes);
    socket.push(null);
  });
  socket.destroy();
  return read;
}

/** Usually the first one */
const mostly = (usual: string, ...others: readonly string[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const someHost = fc.constantFrom("a.test", "b.test", "A.test:80", "", "a.test b.test", "a.test\0");
const someEnd = mostly("\r\n", "\n", "\r", "\r\n ", "\r\n\t", "\r\r\n", "\n\r\n", "\0");
const someFieldName = mostly("Host", "host", "X", "X", "Host ", " Host", "Host\t", "X-Host", "\x0bHost", "");
const someField = fc.tuple(someFieldName, mostly(": ", ":", ":\t", "", " : "), someHost, someEnd);
const someTarget = mostly("/", "*", "http://a.test/", "http://b.test/", "b.test:80", "/a b", "//b.test/", "/#", "x");
const someVersion = mostly(
  " HTTP/1.1",
  " HTTP/1.0",
  "",
  "  HTTP/1.1",
  " HTTP/1.1 ",
  " http/1.1",
  " HTTP/2.0",
  " RTSP/1.0",
);
const someLine = fc.tuple(
  mostly("", "\r\n", "\n", " ", "\r"),
  mostly("GET", "POST", "OPTIONS", "CONNECT", "get", "PRI", "SOURCE", "DESCRIBE"),
  mostly(" ", "  ", "\t"),
  someTarget,
  fc.oneof({ weight: 9, arbitrary: someVersion }, fc.constant(" ICE/1.0")),
  someEnd,
);
const someHead = fc
  .tuple(someLine, fc.array(someField, { maxLength: 3 }), mostly("\r\n", "\n", "\r\n\r\n", "\n\n", ""))
  .map((parts) => bytesOf(parts.flat(2).join("")));

test.each([{ insecureHTTPParser: false }, { insecureHTTPParser: true }])(
  "Node reads no host that is not the one read here, or said to be ambiguous: $insecureHTTPParser",
  async ({ insecureHTTPParser }) => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(someHead, async (sent) => {
        const received = await requestForNode(sent, insecureHTTPParser);
        if (received === undefined) return;
        read += 1;
        const words = readFirstWords(sent, true);
        expect(words.kind).toBe("http");
        if (words.kind !== "http" || words.isAmbiguous) return;
        if (words.isProxyForm) expect(received.url).toContain(words.host);
        const host = received.headers.host ?? "";
        if (host !== "" || !words.isProxyForm) expect(nameOf(words.host ?? "")).toBe(nameOf(escaped(host)));
      }),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(300);
  },
);

function escaped(host: string): string {
  return host.replaceAll(" ", "\\x20").replaceAll("\0", "\\x00");
}

test("a head of any bytes is read the same way however it arrives", () => {
  fc.assert(
    fc.property(someHead, (sent) => void decisionOn(sent)),
    { numRuns: 500 },
  );
});
