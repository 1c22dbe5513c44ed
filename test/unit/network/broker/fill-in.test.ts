import { expect, test } from "vitest";
import { type FilledIn, fillIn, type RequestHead } from "../../../../src/network/broker/fill-in.ts";
import { type BrokeredSecret, knownSecret } from "../../../../src/network/broker/secret.ts";

const secret: BrokeredSecret = {
  name: "TOKEN",
  hosts: ["api.test", "*.api.test:8443"],
  placeholder: "placeholder-of-a-token",
  value: async () => "va$&lue",
};
const other: BrokeredSecret = { ...secret, name: "OTHER", hosts: ["other.test"], placeholder: "another-placeholder" };
const place = { host: "api.test", port: 443 };

async function fill(head: Partial<RequestHead>, secrets = [secret, other], at = place) {
  return fillIn({ fields: [], target: "/", ...head }, secrets.map(knownSecret), at);
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

test("a value is put into any field, wherever it is in it, and as often", async () => {
  const filled = (await fill({
    fields: [
      ["Authorization", `token ${secret.placeholder}`],
      ["X-Two", `${secret.placeholder},${secret.placeholder}`],
      ["Accept", "*/*"],
    ],
  })) as FilledIn;
  expect(filled.fields).toEqual([
    ["Authorization", "token va$&lue"],
    ["X-Two", "va$&lue,va$&lue"],
    ["Accept", "*/*"],
  ]);
  expect(filled.used).toEqual(["TOKEN"]);
  expect([...filled.sensitive]).toEqual(["authorization", "x-two"]);
});

test.each([
  [`basic ${base64(`me:${secret.placeholder}`)}`, `basic ${base64("me:va$&lue")}`],
  [`Basic ${base64(`${secret.placeholder}:`)}`, `Basic ${base64("va$&lue:")}`],
  [`Basic ${base64("me:password")}`, `Basic ${base64("me:password")}`],
  ["Basic not base64", "Basic not base64"],
])("Basic authentication: %s", async (given, wanted) => {
  const filled = (await fill({ fields: [["authorization", given]] })) as FilledIn;
  expect(filled.fields).toEqual([["authorization", wanted]]);
});

test("a query is filled if that was asked for, percent-encoded, and a path never", async () => {
  const inQuery = { ...secret, inQuery: true };
  expect(await fill({ target: `/a?k=${secret.placeholder}#x` }, [inQuery])).toMatchObject({
    target: "/a?k=va%24%26lue#x",
  });
  expect(await fill({ target: `/a?k=${secret.placeholder}` })).toEqual({
    denial: "secret 'TOKEN' is put into headers only",
  });
  expect(await fill({ target: `/${secret.placeholder}?` }, [inQuery])).toEqual({
    denial: "secret 'TOKEN' is not put into a path",
  });
});

test.each([
  ["api.test", 443, true],
  ["api.test", 80, true],
  ["api.test", 8443, false],
  ["a.api.test", 8443, true],
  ["a.api.test", 443, false],
  ["other.test", 443, false],
  ["notapi.test", 443, false],
])("%s:%i is a host of the secret: %s", async (host, port, isFor) => {
  const head = { fields: [["x", secret.placeholder] as [string, string]] };
  const filled = await fill(head, [secret], { host, port });
  expect("fields" in filled).toBe(isFor);
  if (!isFor) expect(filled).toEqual({ denial: `secret 'TOKEN' is not for ${host}` });
});

test("a secret of another host is denied by name, whatever else the request has", async () => {
  const fields: [string, string][] = [
    ["x", secret.placeholder],
    ["authorization", `Basic ${base64(`me:${other.placeholder}`)}`],
  ];
  expect(await fill({ fields })).toEqual({ denial: "secret 'OTHER' is not for api.test" });
});

test("what no header can have is not put in, and no failure tells a value", async () => {
  const head = { fields: [["x", secret.placeholder] as [string, string]] };
  for (const value of ["two\nlines", "nul\0", "é"]) {
    const failed = await fill(head, [{ ...secret, value: async () => value }]);
    expect(failed).toEqual({ failure: "secret 'TOKEN' has characters that no header may have" });
  }
  const failing = { ...secret, value: () => Promise.reject(new Error("the value is 1234")) };
  expect(await fill(head, [failing])).toEqual({ failure: "the value of secret 'TOKEN' is not to be had" });
  const ended = { ...secret, value: async () => "value\r\n" };
  expect(await fill(head, [ended])).toMatchObject({ fields: [["x", "value"]] });
});

test("an address is no host of a secret", () => {
  for (const host of ["192.0.2.1", "10.0.0.0/8"]) {
    expect(() => knownSecret({ ...secret, hosts: [host] })).toThrow(
      `cannot broker secret 'TOKEN': '${host}' is an address`,
    );
  }
});
