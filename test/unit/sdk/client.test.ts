import { expect, expectTypeOf, test } from "vitest";
import { Pyro } from "../../../src/index.ts";
import { operations } from "../../../src/operations/registry.ts";

const pyro = new Pyro({ env: { PYRO_CACHE_DIR: "/nonexistent/cache", PATH: "/nonexistent" } });

test("every operation is a method at the path that its name says", () => {
  for (const { name } of operations) {
    const method = name.split(".").reduce((object: unknown, key) => (object as Record<string, unknown>)[key], pyro);
    expect(method, name).toBeTypeOf("function");
  }
});

test("methods are typed by the operation's schemas", () => {
  expectTypeOf(pyro.run).parameter(0).toHaveProperty("command").toEqualTypeOf<string[] | string>();
  expectTypeOf(pyro.run).returns.resolves.toHaveProperty("exitCode").toEqualTypeOf<number>();
  expectTypeOf(pyro.env.list).toBeCallableWith();
  // @ts-expect-error an environment is required
  expectTypeOf(pyro.env.pull).toBeCallableWith();
});

test("answers in camelCase", async () => {
  const { environments } = await pyro.env.list();
  expect(environments[0]).toMatchObject({ name: "debian:12", state: "not-installed", installed: false });
});

test("a mistake in the input names the field as it is written here", async () => {
  const call = pyro.run({ environment: "debian:12", command: ["true"], memMib: 1 });
  await expect(call).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringContaining("memMib: ") });
});

test("errors have a code and one thing to do", async () => {
  await expect(pyro.run({ environment: "debian:12", command: ["true"] })).rejects.toMatchObject({
    code: "unavailable",
    hint: expect.stringContaining("apt-get install"),
  });
});
