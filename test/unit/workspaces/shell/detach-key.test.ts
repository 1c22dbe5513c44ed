import { expect, test } from "vitest";
import { keyPressed } from "../../../../src/workspaces/shell/attach-operation.ts";

test.each([
  ["ctrl-]", "\x1d"],
  ["ctrl-]", "\x1b[27;5;93~"],
  ["ctrl-]", "\x1b[93;5u"],
  ["Ctrl-Q", "\x11"],
  ["ctrl-q", "\x1b[113;5u"],
  ["ctrl-@", "\0"],
  ["ctrl-^", "\x1e"],
])("%s is found in %j", (key, typed) => {
  expect(`ab${typed}c`.search(keyPressed(key))).toBe(2);
});

test("other keys are not taken for it", () => {
  expect("]q\x1b[27;5;94~\x1b[93u\x1b[A\x11".search(keyPressed("ctrl-]"))).toBe(-1);
});
