import http from "node:http";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Denied, forbiddenResponse } from "../../../../src/network/server-name/forbidden-response.ts";
import { connection } from "./hellos.ts";

test("the answer says what is denied, why and how to allow it", () => {
  const response = forbiddenResponse({
    host: "example.com",
    port: 80,
    rule: "no rule allows it",
    howToAllow: "--allow-host example.com:80",
  });
  expect(response.toString().split("\r\n")).toEqual([
    "HTTP/1.1 403 Forbidden",
    "content-type: text/plain; charset=utf-8",
    "content-length: 141",
    "cache-control: no-store",
    "connection: close",
    "pyro-denied: no rule allows it",
    "",
    "pyro denied the connection to example.com:80: no rule allows it. " +
      "The user of this workspace can allow it with `--allow-host example.com:80`.\n",
  ]);
});

test("what cannot be allowed comes without a way, and an address in brackets", () => {
  const response = forbiddenResponse({ host: "2001:db8::1", port: 80, rule: "--deny-host ::/0", howToAllow: "" });
  expect(response.toString()).toMatch(
    /\r\n\r\npyro denied the connection to \[2001:db8::1\]:80: --deny-host ::\/0\.\n$/,
  );
});

/** The answer as a client of Node reads it. */
async function received(answer: Buffer): Promise<{ message: http.IncomingMessage; body: string }> {
  const socket = connection();
  const request = http.get({ createConnection: () => socket });
  socket.push(answer);
  const message = await new Promise<http.IncomingMessage>((resolve) => request.once("response", resolve));
  return { message, body: await text(message) };
}

test("no text of a guest adds a field, or controls a terminal", async () => {
  const anything = fc.oneof(
    fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 8 }).map((points) => String.fromCodePoint(...points)),
    fc.string({ unit: fc.constantFrom("\r\n", "\n", "a", ":", "\0", "\x1b[2J", "\u202e", "é") }),
    fc.constant("x".repeat(5_000)),
  );
  await fc.assert(
    fc.asyncProperty(fc.record({ host: anything, rule: anything, howToAllow: anything }), async (parts) => {
      const denied: Denied = { ...parts, port: 80 };
      const { message, body } = await received(forbiddenResponse(denied));
      expect(message.statusCode).toBe(403);
      const names = ["content-type", "content-length", "cache-control", "connection", "pyro-denied"];
      expect(Object.keys(message.headers)).toEqual(names);
      expect(message.headers["pyro-denied"]).toMatch(/^[\x20-\x7e]{0,200}$/);
      expect(body).toMatch(/^pyro denied [^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*\n$/u);
    }),
    { numRuns: 50 },
  );
});
