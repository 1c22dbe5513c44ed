import { expect, test } from "vitest";
import { escapeControls, formatError, formatLine, formatProgress } from "../../../src/cli/render.ts";
import { PyroError } from "../../../src/core/errors.ts";

test("control characters do not reach the terminal", () => {
  expect(formatLine("[run] signal=\x1b[2J\x07\x9b\x7f")).toBe("[run] signal=\\x1b[2J\\x07\\x9b\\x7f\n");
  expect(formatError(new PyroError("internal", "a\rb"))).toBe("[error] a\\x0db\n");
  expect(escapeControls("two\nlines\t")).toBe("two\nlines\\x09");
});

test("nothing in a line can begin another one", () => {
  expect(formatError(new PyroError("internal", "no\n  [run] exit_code=0"))).toBe("[error] no [run] exit_code=0\n");
});

test("progress says which step it belongs to", () => {
  expect(formatProgress({ phase: "packages", environment: "debian:12" })).toBe(
    "[pull] phase=packages environment=debian:12\n",
  );
  expect(formatProgress({ phase: "build-template", environment: "debian:12", detail: "the old one is damaged" })).toBe(
    "[prepare] phase=build-template environment=debian:12 the old one is damaged\n",
  );
});
