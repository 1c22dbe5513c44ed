import type { ConnectionOptions } from "node:tls";
import tls from "node:tls";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readOfferedProtocols } from "../../../../src/network/server-name/client-hello.ts";
import { readFirstWords } from "../../../../src/network/server-name/first-words.ts";
import { judgeFirstWords } from "../../../../src/network/server-name/judge.ts";
import { shownName } from "../../../../src/network/server-name/name.ts";
import { decisionOn } from "./decisions.ts";
import {
  connection,
  contentOf,
  encryptedHello,
  extension,
  hello,
  helloMessage,
  number,
  realHello,
  records,
  serverName,
  serverNameEntry,
  vector,
} from "./hellos.ts";

const named = (serverName: string | null, isEncrypted = false) =>
  ({ kind: "tls", serverName, isEncrypted, isAmbiguous: false }) as const;
const ambiguous = { kind: "tls", serverName: null, isEncrypted: false, isAmbiguous: true } as const;

const longNames = Array.from({ length: 100 }, (_, index) => String(index).padStart(250, "x"));
const clients: readonly { client: string; options: ConnectionOptions; name: string | null }[] = [
  { client: "TLS 1.3", options: { servername: "example.com", minVersion: "TLSv1.3" }, name: "example.com" },
  { client: "TLS 1.2", options: { servername: "example.com", maxVersion: "TLSv1.2" }, name: "example.com" },
  { client: "TLS 1.0", options: { servername: "a.b", minVersion: "TLSv1", maxVersion: "TLSv1" }, name: "a.b" },
  { client: "TLS 1.3 without a name", options: { minVersion: "TLSv1.3" }, name: null },
  { client: "TLS 1.2 without a name", options: { maxVersion: "TLSv1.2" }, name: null },
  { client: "ALPN", options: { servername: "x.test", ALPNProtocols: ["h2", "http/1.1"] }, name: "x.test" },
  { client: "upper case and a dot", options: { servername: "EXAMPLE.com." }, name: "EXAMPLE.com." },
  { client: "a hello of 25 KB", options: { servername: "x.test", ALPNProtocols: longNames }, name: "x.test" },
];

test.each(clients)("the name of a real client is read once its hello is whole: $client", async ({ options, name }) => {
  const sent = await realHello(options);
  const { words, decidedAt } = decisionOn(sent);
  expect(words).toEqual(named(name));
  expect(decidedAt).toBe(sent.length);
});

test.each(clients)("records of any size make no difference: $client", async ({ options, name }) => {
  const content = contentOf(await realHello(options));
  for (const size of [1, 2, 3, 5, 100]) {
    const fragmented = records(content, size);
    if (fragmented.length > 64 * 1024) continue;
    const { words, decidedAt } = decisionOn(fragmented, fragmented.length > 5_000 ? 17 : 1);
    expect(words).toEqual(named(name));
    expect(decidedAt).toBe(fragmented.length);
  }
});

test("empty records in a hello are passed over", () => {
  const empty = Buffer.from([0x16, 3, 1, 0, 0]);
  const message = helloMessage();
  const parts = [empty, records(message.subarray(0, 2)), empty, empty, records(message.subarray(2))];
  expect(decisionOn(Buffer.concat(parts)).words).toEqual(named("example.com"));
});

const grease = extension(0x2a2a);
const large = extension(21, Buffer.alloc(40_000));

test.each([
  ["no extensions at all", hello({ extensions: undefined }), null],
  ["an empty list of extensions", hello({ extensions: [] }), null],
  ["no session", hello({ sessionId: Buffer.alloc(0) }), "example.com"],
  [
    "made-up extensions around it",
    hello({ extensions: [grease, serverName("a.test"), extension(0x1a1a, grease)] }),
    "a.test",
  ],
  ["a name after 40 KB", hello({ extensions: [large, serverName("a.test")] }), "a.test"],
  ["more messages after it", records(Buffer.concat([helloMessage(), helloMessage({ extensions: [] })])), "example.com"],
  ["an underscore", hello({ extensions: [serverName("a_b.test")] }), "a_b.test"],
  ["a zero byte", hello({ extensions: [serverName("a.test\0.b")] }), "a.test\\x00.b"],
  ["a line break", hello({ extensions: [serverName("a\r\nb")] }), "a\\x0d\\x0ab"],
  ["UTF-8", hello({ extensions: [serverName("é.test")] }), "\\xc3\\xa9.test"],
  ["a backslash", hello({ extensions: [serverName("a\\x00")] }), "a\\x5cx00"],
  ["a name that is too long", hello({ extensions: [serverName("a".repeat(5_000))] }), `${"a".repeat(256)}...`],
  ["a hello of SSL 2.0's form", Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10]), null],
])("it reads %s", (_, bytes, expected) => {
  expect(decisionOn(bytes).words).toEqual(named(expected));
});

const message = helloMessage();
const lying = (at: number, value: number) => {
  const changed = Buffer.from(message);
  changed[at] = value;
  return records(changed);
};

test.each([
  ["two extensions with names", hello({ extensions: [serverName("a.test"), serverName("a.test")] })],
  ["two names in a list", hello({ extensions: [serverName("a.test", "b.test")] })],
  ["a name of another type beside it", hello({ extensions: [serverName("a.test", serverNameEntry("b.test", 1))] })],
  ["only a name of another type", hello({ extensions: [serverName(serverNameEntry("b.test", 1))] })],
  ["an empty name", hello({ extensions: [serverName("")] })],
  ["an empty list of names", hello({ extensions: [serverName()] })],
  ["an empty extension for the name", hello({ extensions: [extension(0)] })],
  [
    "bytes after the list of names",
    hello({ extensions: [extension(0, vector(2, serverNameEntry("a.test")), random(3))] }),
  ],
  ["a list of names that ends late", hello({ extensions: [extension(0, number(90, 2), serverNameEntry("a.test"))] })],
  ["bytes after the extensions", hello({ trailing: random(3) })],
  ["half an extension", hello({ extensions: [serverName("a.test"), random(3)] })],
  ["a long session", hello({ sessionId: random(33) })],
  ["no cipher suites", hello({ cipherSuites: Buffer.alloc(0) })],
  ["cipher suites beyond the end", lying(4 + 2 + 32 + 33, 0xff)],
  ["an empty message", records(Buffer.from([1, 0, 0, 0]))],
  ["another message first", records(Buffer.from([0, 0, 0, 0]))],
  ["an alert first", Buffer.concat([records(Buffer.from([1, 0]), 2, 0x15), hello()])],
  ["application data first", Buffer.concat([records(random(9), 9, 0x17), hello()])],
  ["an alert in the midst", Buffer.concat([records(message.subarray(0, 9)), records(Buffer.from([1, 0]), 2, 0x15)])],
  ["a record of another version", Buffer.concat([Buffer.from([0x16, 5, 0]), vector(2, message)])],
  [
    "a record that is too long",
    Buffer.concat([Buffer.from([0x16, 3, 1]), vector(2, helloMessage({ extensions: [large] }))]),
  ],
])("it is ambiguous with %s", (_, bytes) => {
  const { words } = decisionOn(bytes);
  expect(words).toEqual(ambiguous);
  expect(judgeFirstWords(words, "a.test")).toEqual({ kind: "ambiguous" });
});

test.each([
  ["a made-up encrypted hello", [serverName("a.test"), encryptedHello()], named("a.test", true)],
  ["one before the name", [encryptedHello(), grease, serverName("a.test")], named("a.test", true)],
  ["one without an outer name", [encryptedHello()], named(null, true)],
  ["an inner hello in the clear", [serverName("a.test"), extension(0xfe0d, number(1, 1))], named("a.test")],
  ["an inner hello with content", [serverName("a.test"), encryptedHello(1)], named("a.test")],
  ["an empty extension", [serverName("a.test"), extension(0xfe0d)], named("a.test")],
  ["no payload", [serverName("a.test"), encryptedHello(0, Buffer.alloc(0))], named("a.test")],
])("whether a hello is encrypted: %s", (_, extensions, expected) => {
  expect(decisionOn(hello({ extensions })).words).toEqual(expected);
});

function random(length: number): Buffer {
  return Buffer.alloc(length, 0xab);
}

/** The name that OpenSSL reads in a hello; undefined: it gives up before it has read one. */
async function nameForOpenSsl(bytes: Buffer): Promise<string | null | undefined> {
  const socket = connection();
  const name = await new Promise<string | null | undefined>((resolve) => {
    const server = new tls.TLSSocket(socket, {
      isServer: true,
      minVersion: "TLSv1",
      ciphers: "DEFAULT@SECLEVEL=0",
      SNICallback: (read, done) => {
        resolve(read === "" ? null : read);
        done(new Error("enough"));
      },
    });
    server.on("error", () => resolve(undefined));
    server.on("end", () => resolve(undefined));
    socket.push(bytes);
    socket.push(null);
  });
  socket.destroy();
  return name;
}

/** Puts other extensions before and behind those of a real hello that names no server. */
function withExtensions(real: Buffer, before: readonly Buffer[], behind: readonly Buffer[]): Buffer {
  let at = 4 + 2 + 32;
  at += 1 + (real[at] ?? 0);
  at += 2 + real.readUInt16BE(at);
  at += 1 + (real[at] ?? 0);
  const extensions = vector(2, ...before, real.subarray(at + 2), ...behind);
  return Buffer.concat([number(1, 1), vector(3, real.subarray(4, at), extensions)]);
}

const someName = fc.constantFrom("a.test", "b.test", "c.test", "", "a.test.", "A.TEST", "a\0b");
const someEntry = fc.tuple(someName, fc.constantFrom(0, 0, 0, 1)).map(([name, type]) => serverNameEntry(name, type));
const someExtension = fc.oneof(
  { weight: 3, arbitrary: someName.map((name) => serverName(name)) },
  fc.array(someEntry, { maxLength: 2 }).map((entries) => serverName(...entries)),
  fc.constant(encryptedHello()),
  fc.constant(extension(0)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => extension(0, Buffer.from(bytes))),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
);
const someStart = fc.constantFrom<Buffer>(
  Buffer.alloc(0),
  Buffer.alloc(0),
  Buffer.alloc(0),
  records(Buffer.from([1, 0]), 2, 0x15),
  Buffer.from([0x16, 3, 1, 0, 0]),
);

test("OpenSSL reads no name that is not the one read here, or said to be ambiguous", async () => {
  const real = {
    "TLS 1.2": contentOf(await realHello({ maxVersion: "TLSv1.2" })),
    "TLS 1.3": contentOf(await realHello({ minVersion: "TLSv1.3" })),
  };
  let read = 0;
  const few = fc.array(someExtension, { maxLength: 1 });
  const cases = fc.record({
    version: fc.constantFrom("TLS 1.2" as const, "TLS 1.3" as const),
    before: few,
    behind: few,
    start: someStart,
    recordSize: fc.constantFrom(16_384, 16_384, 40),
    flips: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 2 }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ version, before, behind, start, recordSize, flips }) => {
      const sent = Buffer.concat([start, records(withExtensions(real[version], before, behind), recordSize)]);
      for (const [at, value] of flips) if (at < sent.length) sent[at] = value;
      const name = await nameForOpenSsl(sent);
      if (name === undefined) return;
      read += 1;
      const words = readFirstWords(sent);
      if (words.kind === "tls" && words.isAmbiguous) return;
      expect(words).toMatchObject({ kind: "tls", serverName: name && shownName(Buffer.from(name, "latin1")) });
    }),
    { numRuns: 500 },
  );
  // The comparison says nothing if OpenSSL refuses everything.
  expect(read).toBeGreaterThan(20);
});

test("the protocols that a client offers are read in its order, and from a torn hello none that it has not", async () => {
  const offer = { servername: "x.test", ALPNProtocols: ["h2", "http/1.1"] };
  const bytes = await realHello(offer);
  expect(readOfferedProtocols(bytes)).toEqual(["h2", "http/1.1"]);
  expect(readOfferedProtocols(await realHello({ servername: "x.test" }))).toEqual([]);
  for (let length = 0; length < bytes.length; length += 1) {
    expect(readOfferedProtocols(bytes.subarray(0, length))).toEqual([]);
  }
});
