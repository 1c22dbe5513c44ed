import fc from "fast-check";
import { expect, test } from "vitest";
import { maxFirstWordsBytes, readFirstWords } from "../../../../src/network/server-name/first-words.ts";
import { decisionOn } from "./decisions.ts";
import { encryptedHello, extension, hello, records, serverName } from "./hellos.ts";

const padding = extension(21, Buffer.alloc(65_000));
const fieldOf = (length: number) => `X: ${"x".repeat(length)}\r\n`;

test.each([
  ["a hello", hello({ cipherSuites: Buffer.alloc(2_000), extensions: [padding, serverName("b.test")] }), "tls"],
  ["a hello that never comes", Buffer.concat([Buffer.from([0x16, 3, 1, 0, 1, 1]), Buffer.alloc(70_000)]), "tls"],
  ["empty records", Buffer.concat(Array.from({ length: 14_000 }, () => Buffer.from([0x16, 3, 1, 0, 0]))), "tls"],
  ["a head", Buffer.from(`GET / HTTP/1.1\r\n${fieldOf(70_000)}Host: b.test\r\n\r\n`), "http"],
  ["a head of short lines", Buffer.from(`GET / HTTP/1.1\r\n${"a:b\r\n".repeat(14_000)}Host: b.test\r\n\r\n`), "http"],
  ["a request line", Buffer.from(`GET /${"x".repeat(70_000)} HTTP/1.1\r\nHost: b.test\r\n\r\n`), "http"],
  ["a method", Buffer.from(`${"X".repeat(70_000)} / HTTP/1.1\r\nHost: b.test\r\n\r\n`), "http"],
  [
    "empty lines before a request",
    Buffer.from(`${"\r\n".repeat(35_000)}GET / HTTP/1.1\r\nHost: b.test\r\n\r\n`),
    "http",
  ],
])("padding gets no name past the check: %s", (_, bytes, kind) => {
  const { words, decidedAt } = decisionOn(bytes, 1_024);
  expect(words).toMatchObject({ kind, isAmbiguous: true });
  expect(decidedAt).toBeLessThanOrEqual(maxFirstWordsBytes);
});

test("what ends at the limit is read, and one byte more is not", () => {
  const line = "GET / HTTP/1.1\r\nHost: a.test\r\n";
  const room = maxFirstWordsBytes - line.length - fieldOf(0).length - 2;
  const headOf = (length: number) => Buffer.from(`${line}${fieldOf(length)}\r\n`);
  expect(headOf(room)).toHaveLength(maxFirstWordsBytes);
  expect(readFirstWords(headOf(room))).toMatchObject({ host: "a.test", isAmbiguous: false });
  expect(readFirstWords(headOf(room + 1))).toMatchObject({ host: null, isAmbiguous: true });
});

test("nothing is decided of nothing", () => {
  expect(readFirstWords(Buffer.alloc(0))).toEqual({ kind: "incomplete" });
});

test.each([
  ["GET / HTTP/1.1\r\nHost: b.test\r\n", "http"],
  ["GET / HTTP/1.1\r\n", "http"],
  ["GET / HTTP/1.1", "http"],
  ["GET http://b.test/", "http"],
  ["PRI * HTTP/2.0\r\n\r\n", "http"],
  ["example.test", "other"],
  ["two words", "other"],
  ["", "other"],
  [" ", "other"],
  ["\x16\x03\x01", "other"],
  ["\x80", "other"],
])("the end of a client decides about %j: %s", (text, kind) => {
  expect(readFirstWords(latin1(text))).toEqual({ kind: "incomplete" });
  expect(readFirstWords(latin1(text), true)).toMatchObject(kind === "other" ? { kind } : { kind, isAmbiguous: true });
});

test("the end of a client changes nothing that is decided", () => {
  for (const text of ["GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /\r\n", "{"]) {
    expect(readFirstWords(latin1(text), true)).toEqual(readFirstWords(latin1(text)));
  }
  expect(readFirstWords(hello(), true)).toEqual(readFirstWords(hello()));
});

const starts = [
  "",
  "\x16\x03\x01",
  "\x16\x03\x01\x00\x08\x01\x00\x00\x04",
  "\x80\x10\x01",
  "\x15\x03",
  "GET ",
  "GET / HTTP/1.1\r\n",
];

test("any bytes lead to one decision, at the same place, however they arrive", () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: fc.constantFrom(..." \t\r\n:/\0ax\x80", "Host", "HTTP/1.1", "\r\n"), maxLength: 60 }).map(latin1),
  );
  fc.assert(
    fc.property(fc.constantFrom(...starts), content, (start, more) => {
      decisionOn(Buffer.concat([latin1(start), more]));
    }),
    { numRuns: 3_000 },
  );
});

test("a hello with changed bytes leads to one decision", () => {
  const original = hello({ extensions: [extension(0x0a0a), serverName("a.test"), encryptedHello()] });
  const changes = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(changes, fc.integer({ min: 1, max: 300 }), (changed, recordSize) => {
      const bytes = Buffer.from(original);
      for (const [at, value] of changed) bytes[at] = value;
      decisionOn(bytes);
      decisionOn(records(bytes.subarray(5), recordSize));
    }),
    { numRuns: 300 },
  );
});

const repeated = [
  " ",
  "\t",
  "\r",
  "\n",
  "\r\n",
  ":",
  "a",
  "a ",
  "a:b\r\n",
  "Host: x\r\n",
  "\r\n ",
  "/",
  "\x16\x03\x01\0\0",
  "\x16\x03\x01\0\x01\x01",
];
const prefixes = [
  "",
  "GET ",
  "GET /",
  "GET / HTTP/1.1\r\n",
  "GET / HTTP/1.1\r\nHost:",
  "\x16\x03\x01\0\x05\x01\0\xff\xff\0",
];

test("no repetition makes it slow", () => {
  for (const prefix of prefixes) {
    for (const piece of repeated) {
      const bytes = latin1((prefix + piece.repeat(maxFirstWordsBytes)).slice(0, maxFirstWordsBytes - 8));
      for (const end of ["", "\r\n\r\n", " HTTP/1.1"]) {
        const start = performance.now();
        readFirstWords(Buffer.concat([bytes, latin1(end)]));
        // A quadratic step takes seconds at this length, the work itself a few milliseconds.
        expect(performance.now() - start, JSON.stringify([prefix, piece, end])).toBeLessThan(500);
      }
    }
  }
});

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
