import { expect, test } from "vitest";
import type { FirstWords } from "../../../../src/network/server-name/first-words.ts";
import { judgeFirstWords } from "../../../../src/network/server-name/judge.ts";

const tls = (serverName: string | null, isEncrypted = false): FirstWords => {
  return { kind: "tls", serverName, isEncrypted, isAmbiguous: false };
};
const http = (host: string | null): FirstWords => {
  return { kind: "http", host, method: "GET", isProxyForm: false, isAmbiguous: false };
};

test.each([
  ["the same server name", tls("Example.com"), "example.com", { kind: "same" }],
  ["no server name", tls(null), "example.com", { kind: "same" }],
  ["another server name", tls("Other.test."), "example.com", { kind: "foreign", name: "other.test" }],
  ["a name below it", tls("a.example.com"), "example.com", { kind: "foreign", name: "a.example.com" }],
  ["the outer name of an encrypted hello", tls("public.test", true), "example.com", { kind: "same" }],
  ["the same host", http("example.com:8080"), "example.com", { kind: "same" }],
  ["no host", http(null), "example.com", { kind: "same" }],
  ["another host", http("Other.test:80"), "example.com", { kind: "foreign", name: "other.test" }],
  ["a name by address", http("other.test"), "192.0.2.1", { kind: "foreign", name: "other.test" }],
  ["an address by name", http("192.0.2.1"), "example.com", { kind: "foreign", name: "192.0.2.1" }],
  ["another protocol", { kind: "other" } as const, "example.com", { kind: "same" }],
  ["too little", { kind: "incomplete" } as const, "example.com", { kind: "same" }],
])("%s", (_, words, resolved, expected) => {
  expect(judgeFirstWords(words, resolved)).toEqual(expected);
});
