import { expect, test } from "vitest";
import { loopbackPort } from "../../../../src/workspaces/service/address.ts";
import { readinessOf } from "../../../../src/workspaces/service/rules.ts";

test.each([
  ["8080", 8080],
  ["127.0.0.1:8080", 8080],
  ["localhost:1", 1],
  ["[::1]:65535", 65_535],
  ["0.0.0.0:80", 80],
])("%s is port %d of the guest", (address, port) => {
  expect(loopbackPort(address)).toBe(port);
});

test.each(["", "0", "65536", "x", "localhost:", "10.0.0.1:80", "example.com:80", "::1:80:90"])(
  "'%s' is none",
  (address) => {
    expect(() => loopbackPort(address)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  },
);

test("a URL without a port has that of its protocol", () => {
  expect(loopbackPort(new URL("http://localhost/x"))).toBe(80);
  expect(loopbackPort(new URL("https://[::1]/"))).toBe(443);
});

test("at most one thing tells that a service is ready", () => {
  expect(readinessOf({})).toBeNull();
  expect(readinessOf({ readyHttp: "http://127.0.0.1:80/a b" })).toEqual({
    type: "http",
    url: "http://127.0.0.1/a%20b",
  });
  expect(() => readinessOf({ readyTcp: "80", readyCommand: "true" })).toThrow(
    "cannot wait for tcp and command at once",
  );
});
