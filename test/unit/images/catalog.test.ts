import { expect, test } from "vitest";
import { catalog, catalogEntry, defaultEnvironment } from "../../../src/images/catalog.ts";

test("the catalog lists the three environments, the default among them", () => {
  expect(catalog.map(({ name }) => name)).toEqual(["debian:12", "debian:12-base", "debian:12-build"]);
  expect(catalogEntry(defaultEnvironment).packages).toContain("git");
});

test.each([
  ["debian:12-base", ["procps"], ["git", "build-essential"]],
  ["debian:12", ["procps", "git"], ["build-essential"]],
  ["debian:12-build", ["procps", "git", "build-essential"], []],
])("%s has %j and not %j", (name, present, absent) => {
  const { packages } = catalogEntry(name);
  expect(packages).toEqual(expect.arrayContaining(present));
  expect(packages.filter((wanted) => absent.includes(wanted))).toEqual([]);
  expect(packages).toHaveLength(new Set(packages).size);
});

test("catalogEntry() answers an unknown name with the valid ones", () => {
  expect(() => catalogEntry("ubuntu:24")).toThrow(
    expect.objectContaining({
      code: "invalid_argument",
      message: "unknown environment 'ubuntu:24': choose one of debian:12, debian:12-base, debian:12-build",
    }),
  );
});
