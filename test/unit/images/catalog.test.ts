import { expect, test } from "vitest";
import { catalog, catalogEntry, defaultEnvironment } from "../../../src/images/catalog.ts";

test("the catalog lists the three environments, the default among them", () => {
  expect(catalog.map(({ name }) => name)).toEqual(["debian:12", "debian:12-base", "debian:12-build"]);
  expect(catalogEntry(defaultEnvironment).packages).toContain("git");
});

test("each environment has what the smaller one has", () => {
  const packagesOf = (name: string) => catalogEntry(name).packages;
  expect(packagesOf("debian:12")).toEqual(expect.arrayContaining([...packagesOf("debian:12-base")]));
  expect(packagesOf("debian:12-build")).toEqual(expect.arrayContaining([...packagesOf("debian:12")]));
});

test("catalogEntry() answers an unknown name with the valid ones", () => {
  expect(() => catalogEntry("ubuntu:24")).toThrow(
    expect.objectContaining({
      code: "invalid_argument",
      message: "unknown environment 'ubuntu:24': choose one of debian:12, debian:12-base, debian:12-build",
    }),
  );
});
