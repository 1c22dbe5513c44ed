import { expect, test } from "vitest";
import { hostsEntries, resolveOnHost } from "../../../src/network/resolve.ts";

const hosts = `# a comment
127.0.0.1 localhost
192.0.2.1\tServer.test  alias.test # the server
2001:db8::1 server.test
not-an-address server.test
`;

test.each([
  ["server.test", ["192.0.2.1", "2001:db8::1"]],
  ["alias.test", ["192.0.2.1"]],
  ["localhost", ["127.0.0.1"]],
  ["the", []],
  ["test", []],
])("the hosts file means by %s %j", (name, addresses) => {
  expect(hostsEntries(hosts, name)).toEqual(addresses);
});

test("a name whose answer is awaited is not asked for again", async () => {
  const first = resolveOnHost("missing.invalid");
  expect(resolveOnHost("missing.invalid")).toBe(first);
  expect(await first).toMatchObject({ missing: true });
  expect(resolveOnHost("missing.invalid")).not.toBe(first);
});
