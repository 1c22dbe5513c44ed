import fc from "fast-check";
import { expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { pathBelowWorkspace, pathInWorkspace } from "../../../../src/workspaces/file/guest-path.ts";

test.each([
  ["/workspace", ""],
  [".", ""],
  ["src/a.ts", "src/a.ts"],
  ["/workspace/src/../a", "a"],
  ["./a//b/", "a/b"],
  ["naïve 文", "naïve 文"],
  ["...", "..."],
  ["..a", "..a"],
])("'%s' is '%s' of the tree", (typed, relative) => {
  expect(pathInWorkspace(typed).toString()).toBe(relative);
});

test.each(["/etc/passwd", "..", "a/../..", "/workspace/..", "/workspacex", "/", "", "../workspace/../etc"])(
  "'%s' is refused, because it is not under /workspace",
  (typed) => {
    expect(() => pathInWorkspace(typed)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining("not under /workspace") }),
    );
  },
);

test("names and paths that Linux cannot have are refused", () => {
  expect(pathInWorkspace("a".repeat(255))).toHaveLength(255);
  for (const typed of ["a".repeat(256), "文".repeat(86), "abc/".repeat(1025)]) {
    expect(() => pathInWorkspace(typed)).toThrow(/longer than Linux takes/);
  }
  expect(() => pathInWorkspace("a/".repeat(1_000_000))).toThrow(/^cannot use path 'a\/.{0,100}…': it is longer/);
  expect(() => pathInWorkspace("a\0b")).toThrow(/NUL/);
});

test("the workspace itself is no path below it", () => {
  expect(pathBelowWorkspace("a").toString()).toBe("a");
  expect(() => pathBelowWorkspace("/workspace/a/..")).toThrow(/it is the workspace itself/);
});

test("whatever is typed, the path is inside or refused", () => {
  const typed = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom("..", ".", "", "a", "workspace", "etc"), { maxLength: 8 }).map((names) => names.join("/")),
    fc.array(fc.constantFrom("..", "a", "workspace")).map((names) => `/${names.join("/")}`),
  );
  fc.assert(
    fc.property(typed, (path) => {
      try {
        const names = pathInWorkspace(path).toString("latin1").split("/");
        expect(names).not.toContain("..");
        expect(names[0] === "" && names.length > 1).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(PyroError);
      }
    }),
  );
});
