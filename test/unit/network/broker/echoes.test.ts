import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { Echoes, echoesOf } from "../../../../src/network/broker/echoes.ts";
import type { Field } from "../../../../src/network/broker/fill-in.ts";

const json: readonly Field[] = [["Content-Type", "application/json; charset=utf-8"]];

function knowing(value: string, placeholder: string): Echoes {
  const echoes = new Echoes();
  echoes.add(echoesOf(value, placeholder));
  return echoes;
}

test("a value is found wherever the pieces of a body end", async () => {
  const echoes = knowing("aab-aabc", "PLACE");
  const body = "aab-aab-aabc, aab-aabcaab-aabc and aab-aab";
  const wanted = "aab-PLACE, PLACEPLACE and aab-aab";
  for (let first = 0; first <= body.length; first += 1) {
    for (let second = first; second <= body.length; second += 1) {
      const pieces = [body.slice(0, first), body.slice(first, second), body.slice(second)];
      const filter = echoes.filterFor(json);
      if (!filter) throw new Error("there is no filter");
      expect(await text(Readable.from(pieces.map((piece) => Buffer.from(piece))).pipe(filter))).toBe(wanted);
    }
  }
});

test("what cannot begin a value is not held back", async () => {
  const filter = knowing("secret-value", "placeholder!").filterFor(json);
  filter?.write("data: 1\n\n");
  expect(filter?.read()?.toString()).toBe("data: 1\n\n");
  expect(filter?.keepsLength).toBe(true);
});

test("a value is found as JSON and URLs write it, too", () => {
  const echoes = knowing(`a"b/c d`, "place holder");
  expect(echoes.shown(JSON.stringify({ token: `a"b/c d` }))).toBe(`{"token":"place holder"}`);
  expect(echoes.shown(`?token=${encodeURIComponent(`a"b/c d`)}`)).toBe("?token=place%20holder");
});

test.each([
  ["text/event-stream", undefined, true],
  ["application/problem+json", "identity", true],
  ["", undefined, true],
  ["application/json", "gzip", false],
  ["application/octet-stream", undefined, false],
  ["image/png", undefined, false],
])("a body of type '%s' with coding %s is read: %s", (type, coding, isRead) => {
  const fields: Field[] = [["content-type", type], ...(coding ? [["Content-Encoding", coding] as Field] : [])];
  expect(knowing("a value", "another").filterFor(fields) !== undefined).toBe(isRead);
  expect(new Echoes().filterFor(fields)).toBeUndefined();
});

test("a guest that makes up users fills no memory, and pushes out no value", () => {
  const echoes = knowing("a value", "placeholder");
  for (let index = 0; index < 1_000; index += 1) echoes.add([{ said: `user-${index}`, shown: "x", isMadeUp: true }]);
  expect(echoes.shown("user-1 ")).toBe("user-1 ");
  expect(echoes.shown("user-999 a value")).toBe("x placeholder");
});

test("of a value that begins with another one, nothing stays", () => {
  const echoes = new Echoes();
  echoes.add(echoesOf("a-token", "short"));
  echoes.add(echoesOf("a-token-and-more", "long"));
  expect(echoes.shown("a-token-and-more a-token")).toBe("long short");
});
